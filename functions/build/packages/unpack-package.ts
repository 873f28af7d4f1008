/** From a package's tarball to its sources. Links, devices and everything that is no source are passed over. */
import { gunzipSync } from "node:zlib";
import { type TarHeader, unpackTar } from "modern-tar";

/** What is left of it is shared by all packages of an upload. */
export interface UnpackBudget {
  /** Everything that is in the tarballs. */
  unpackedBytes: number;
  files: number;
}

const SOURCE = /\.(?:[cm]?[jt]sx?|json)$/;
const DECLARATION = /\.d\.[cm]?ts$/;

/** Path within the package → contents. Rejects with the end of a sentence that begins with the package. */
export async function unpackPackage(
  tarball: Uint8Array,
  left: UnpackBudget,
): Promise<Map<string, Uint8Array>> {
  const archive = inflate(tarball, left.unpackedBytes);
  left.unpackedBytes -= archive.byteLength;
  const isWanted = (header: TarHeader) => {
    left.files -= 1;
    if (left.files < 0) throw new Error("has more files than there is room for");
    return header.type === "file" && SOURCE.test(header.name) && !DECLARATION.test(header.name);
  };
  const sources = new Map<string, Uint8Array>();
  for (const { header, data } of await unpackTar(archive, { filter: isWanted })) {
    sources.set(pathInPackage(header.name), data ?? new Uint8Array());
  }
  return sources;
}

/** All at once, so that no two tarballs take the same room. */
function inflate(tarball: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return gunzipSync(tarball, { maxOutputLength: Math.max(maxBytes, 1) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
      throw new Error("unpacks to more than there is room for");
    throw new Error("is no gzipped tarball");
  }
}

/** All lies in one folder, whatever that is called. */
function pathInPackage(name: string): string {
  const [, ...segments] = name.split("/").filter((segment) => segment !== "" && segment !== ".");
  const isPlain = segments.length > 0 && !segments.includes("..") && !name.startsWith("/");
  if (!isPlain || /[\\\0]/.test(name)) throw new Error("holds a file outside of it");
  return segments.join("/");
}
