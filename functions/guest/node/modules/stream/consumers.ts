/** node:stream/consumers: what streams of either kind come to. */

type Source = AsyncIterable<string | Uint8Array<ArrayBuffer>>;

async function blob(stream: Source): Promise<Blob> {
  const parts: (string | Uint8Array<ArrayBuffer>)[] = [];
  for await (const part of stream) parts.push(part);
  return new Blob(parts);
}

const arrayBuffer = async (stream: Source) => (await blob(stream)).arrayBuffer();
const text = async (stream: Source) => (await blob(stream)).text();

export default {
  arrayBuffer,
  blob,
  buffer: async (stream: Source) => Buffer.from(await arrayBuffer(stream)),
  json: async (stream: Source): Promise<unknown> => JSON.parse(await text(stream)),
  text,
};
