/**
 * A Hono app as it is written for other platforms: routes, parameters, middleware, an error handler, a stream and
 * server-sent events. Nothing in it knows of Bellhop. Bundle it, upload the bundle, call it at its URL.
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { stream, streamSSE } from "hono/streaming";

type Bindings = { GREETING?: string };

interface Note {
  id: number;
  text: string;
}

const NOTES: Note[] = [
  { id: 1, text: "Water the plants" },
  { id: 2, text: "Call the bank" },
];

const app = new Hono<{ Bindings: Bindings }>();

app.use(async (c, next) => {
  await next();
  c.header("x-served-by", "hono");
});

app.get("/", (c) => c.text(`${c.env.GREETING ?? "Hello"} from Hono`));

app.get("/notes", (c) => {
  const wanted = c.req.query("q")?.toLowerCase() ?? "";
  return c.json(NOTES.filter(({ text }) => text.toLowerCase().includes(wanted)));
});

app.get("/notes/:id", (c) => {
  const note = NOTES.find(({ id }) => String(id) === c.req.param("id"));
  if (!note) throw new HTTPException(404, { message: "There is no such note." });
  return c.json(note);
});

app.post("/notes", async (c) => {
  const { text } = await c.req.json<{ text?: unknown }>();
  if (typeof text !== "string" || text === "") throw new HTTPException(422, { message: "text is needed" });
  return c.json({ id: NOTES.length + 1, text }, 201);
});

/** Counts down, a line at a time. */
app.get("/countdown/:from", (c) =>
  stream(c, async (out) => {
    for (let n = Number(c.req.param("from")); n >= 0; n -= 1) {
      await out.write(`${n}\n`);
      await out.sleep(20);
    }
  }),
);

app.get("/events", (c) =>
  streamSSE(c, async (events) => {
    for (let id = 1; id <= 3; id += 1) {
      await events.writeSSE({ id: String(id), event: "tick", data: JSON.stringify({ id }) });
      await events.sleep(20);
    }
  }),
);

app.onError((error, c) => {
  const status = error instanceof HTTPException ? error.status : 500;
  return c.json({ error: error.message }, status);
});

export default app;
