/** node:os, of a machine that is every function's: nothing in it is the host's. */
export default {
  EOL: "\n",
  devNull: "/dev/null",
  constants: { signals: {}, errno: {}, priority: {}, dlopen: {}, UV_UDP_REUSEADDR: 4 },
  arch: () => "x64",
  machine: () => "x86_64",
  platform: () => "linux",
  type: () => "Linux",
  release: () => "",
  version: () => "",
  endianness: () => "LE",
  hostname: () => "localhost",
  homedir: () => "/",
  tmpdir: () => "/tmp",
  availableParallelism: () => 1,
  cpus: () => [],
  networkInterfaces: () => ({}),
};
