/** Keys as they are pressed, where stdin is a terminal. */

const CTRL_C = "\u0003";

/** @param onPress of each key; Ctrl-C is the signal that it is elsewhere */
export function listenForKeys(stdin: NodeJS.ReadStream, onPress: (key: string) => void): { close(): void } {
  if (!stdin.isTTY) return { close() {} };
  const onData = (keys: string) => {
    for (const key of keys)
      if (key === CTRL_C) process.kill(process.pid, "SIGINT");
      else onPress(key);
  };
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.on("data", onData);
  return {
    close() {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}
