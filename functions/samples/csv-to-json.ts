/**
 * Turns CSV (RFC 4180: quoted fields, doubled quotes, CRLF) into JSON lines, an object for each row under the names of
 * the first. The body is a stream both ways: a file of any size takes the memory of one row.
 */
import type { FetchHandler } from "bellhop";

export default {
  fetch(request) {
    if (!request.body) return new Response("POST some CSV.", { status: 400 });
    const rows = request.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(csvRows())
      .pipeThrough(jsonLines())
      .pipeThrough(new TextEncoderStream());
    return new Response(rows, { headers: { "content-type": "application/x-ndjson" } });
  },
} satisfies FetchHandler;

/** Text in, rows out. Its states: in a plain field, in a quoted one, after a quote that may have ended it. */
function csvRows(): TransformStream<string, string[]> {
  let state: "plain" | "quoted" | "quote" = "plain";
  let row: string[] = [];
  let field = "";
  let isEmpty = true;

  function endField(): void {
    row.push(field);
    field = "";
  }

  return new TransformStream({
    transform(text, controller) {
      for (const char of text) {
        if (state === "quoted") {
          if (char === '"') state = "quote";
          else field += char;
        } else if (char === '"' && (state === "quote" || field === "")) {
          if (state === "quote") field += '"';
          state = "quoted";
          isEmpty = false;
        } else if (char === ",") {
          endField();
          state = "plain";
          isEmpty = false;
        } else if (char === "\n") {
          if (!isEmpty || field !== "") {
            endField();
            controller.enqueue(row);
          }
          row = [];
          field = "";
          state = "plain";
          isEmpty = true;
        } else if (char !== "\r") {
          field += char;
          isEmpty = false;
        }
      }
    },
    flush(controller) {
      if (isEmpty) return;
      endField();
      controller.enqueue(row);
    },
  });
}

/** The first row names the fields; those that a row lacks are left out. */
function jsonLines(): TransformStream<string[], string> {
  let names: string[] | undefined;
  return new TransformStream({
    transform(row, controller) {
      if (!names) {
        names = row;
        return;
      }
      const entries = names.flatMap((name, index) => (index < row.length ? [[name, row[index]]] : []));
      controller.enqueue(`${JSON.stringify(Object.fromEntries(entries))}\n`);
    },
  });
}
