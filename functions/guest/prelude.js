/**
 * Runs inside every isolate before the author's code, in strict mode, and is never visible to it. It takes the
 * dangerous globals away, gives the guest its console, timers and context, and returns the one function through
 * which the executor enters. Everything that crosses is a string or a number; what comes from the host stays in
 * closures. Built-ins are captured here, because the author's code may replace them.
 *
 * A run: begun by START; `ended` once `settle` has been called, after which its logs and timers are ignored.
 */
// biome-ignore lint/correctness/noUnusedVariables: called by the line the executor appends.
function installGuest(emitLog, settle, wake, limitsJson) {
  const { parse, stringify } = JSON;
  const limits = parse(limitsJson);
  const uncurry = Function.prototype.bind.bind(Function.prototype.call);
  const slice = uncurry(String.prototype.slice);
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const replace = uncurry(RegExp.prototype[Symbol.replace]);
  const then = uncurry(Promise.prototype.then);
  const mapGet = uncurry(Map.prototype.get);
  const mapSet = uncurry(Map.prototype.set);
  const mapDelete = uncurry(Map.prototype.delete);
  const mapForEach = uncurry(Map.prototype.forEach);
  const mapClear = uncurry(Map.prototype.clear);
  const { isArray } = Array;
  const { max, trunc, ceil } = Math;
  const { freeze, defineProperty } = Object;
  const { apply, construct } = Reflect;
  const toText = String;
  const toNumber = Number;
  const NativeDate = Date;
  const dateNow = Date.now;
  const NativeError = Error;
  const NativeMap = Map;
  const NativePromise = Promise;

  let run = { __proto__: null, no: 0, ended: true, lines: 0, dropped: 0 };
  let target;
  const timers = new NativeMap();
  let timerCount = 0;
  let nextTimerId = 1;
  // The host keeps one alarm for the isolate: this is the instant it is set to, on the host's clock.
  let armedFor = Number.POSITIVE_INFINITY;
  let hostBase = 0;
  let dateBase = dateNow();

  lockDown();
  installConsole();
  installTimers();
  return enter;

  /** op 0: START(hostNow, runNo, input, facts, factory?). op 1: TICK(hostNow) answers ms to the next timer, or -1. */
  function enter(op, hostNow, runNo, input, facts, factory) {
    setClock(hostNow);
    if (op === 1) return runDueTimer();
    run = { __proto__: null, no: runNo, ended: false, lines: 0, dropped: 0 };
    execute(run, input, facts, factory);
    return -1;
  }

  async function execute(mine, inputJson, factsJson, factory) {
    if (factory !== undefined) {
      try {
        const module = { exports: {} };
        factory(module, module.exports);
        target = module.exports.default;
      } catch (thrown) {
        return end(mine, "load_failed", stringify(describe(thrown)));
      }
    }
    try {
      const facts = parse(factsJson);
      const background = [];
      const value = await callTarget(parse(inputJson), makeContext(mine, facts, background), facts);
      for (let i = 0; i < background.length; i++) await background[i];
      finish(mine, value);
    } catch (thrown) {
      fail(mine, thrown);
    }
  }

  function callTarget(input, context, facts) {
    if (typeof target === "function") return target(input, context);
    if (typeof target === "object" && target !== null) {
      if (typeof target.scheduled === "function") {
        const event = { type: "scheduled", scheduledTime: facts.scheduledFor, input };
        return target.scheduled(event, context.env, context);
      }
      if (typeof target.fetch === "function") {
        return refuse(
          "unsupported_shape",
          "The default export has only fetch(): it answers HTTP, it cannot be run by a task.",
        );
      }
    }
    return refuse(
      "unsupported_shape",
      "The default export must be a function (input, ctx) or an object with scheduled(event, env, ctx).",
    );
  }

  function refuse(code, message) {
    end(run, code, message);
  }

  function finish(mine, value) {
    if (mine.ended) return;
    let json;
    try {
      json = value === undefined ? "null" : stringify(value);
    } catch (thrown) {
      if (describe(thrown).name !== "TypeError") return fail(mine, thrown);
      return end(mine, "result_not_json", `The result is not JSON: ${describe(thrown).message}`);
    }
    if (json === undefined)
      return end(mine, "result_not_json", `The result is not JSON: it is a ${typeof value}.`);
    if (json.length * 3 > limits.resultBytes && fitting(json, limits.resultBytes) < json.length) {
      return end(mine, "result_too_large", `The result takes more than ${limits.resultBytes} bytes as JSON.`);
    }
    end(mine, "ok", json);
  }

  function fail(mine, thrown) {
    if (!mine.ended) end(mine, "function_error", stringify(describe(thrown)));
  }

  function end(mine, code, text) {
    if (mine.ended) return;
    mine.ended = true;
    clearTimers();
    settle(mine.no, code, text, mine.dropped);
  }

  // ── what was thrown ────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads a thrown value here, inside the run's time and memory, because its properties may run code. */
  function describe(thrown) {
    const seen = { __proto__: null, name: "Error", message: "", stack: "" };
    if ((typeof thrown !== "object" || thrown === null) && typeof thrown !== "function") {
      seen.message = clip(toText(thrown));
      return seen;
    }
    const message = readText(() => thrown.message);
    seen.message = message ?? clip(plainJson(thrown));
    seen.name = readText(() => thrown.name) ?? seen.name;
    seen.stack = readText(() => thrown.stack) ?? "";
    return seen;
  }

  function plainJson(value) {
    try {
      return stringify(value) ?? toText(value);
    } catch {
      return "something unreadable was thrown";
    }
  }

  function readText(read) {
    try {
      const value = read();
      return typeof value === "string" ? clip(value) : undefined;
    } catch {
      return undefined;
    }
  }

  function clip(text) {
    return text.length > limits.errorChars ? `${slice(text, 0, limits.errorChars)}…` : text;
  }

  // ── context and log ────────────────────────────────────────────────────────────────────────────────────────────

  function makeContext(mine, facts, background) {
    const level = (name) => (message, fields) => log(mine, name, message, fields);
    return {
      runId: facts.runId,
      attempt: facts.attempt,
      scheduledAt: new NativeDate(facts.scheduledFor),
      deadlineAt: new NativeDate(facts.deadlineAt),
      env: freeze(facts.env),
      log: { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") },
      waitUntil(promise) {
        if (mine.ended) return;
        const settled = then(NativePromise.resolve(promise), undefined, (thrown) =>
          log(mine, "error", `waitUntil failed: ${describe(thrown).message}`),
        );
        background[background.length] = settled;
      },
    };
  }

  /** One line of the run's log; the count stands before anything that the author's code could have replaced. */
  function log(mine, level, message, fields) {
    if (mine.ended) return;
    if (mine.lines >= limits.logLines) {
      mine.dropped++;
      return;
    }
    mine.lines++;
    let text = typeof message === "string" ? message : inspect(message);
    let json =
      typeof fields === "object" && fields !== null
        ? safeStringify(isArray(fields) ? { fields } : fields)
        : "";
    if (json !== "" && fitting(json, limits.logLineBytes) < json.length) {
      json = stringify({ __proto__: null, cut: `the fields take ${json.length} characters` });
    }
    const room = limits.logLineBytes - json.length * (json.length * 3 > limits.logLineBytes ? 3 : 1);
    const fits = fitting(text, max(room, 256));
    if (fits < text.length)
      text = `${slice(text, 0, max(fits - 64, 0))}… (cut, ${text.length} characters in all)`;
    emitLog(mine.no, level, text, json, dateNow());
  }

  /** How many leading characters of the text fit into so many bytes of UTF-8. */
  function fitting(text, bytes) {
    const { length } = text;
    if (length * 3 <= bytes) return length;
    let used = 0;
    for (let i = 0; i < length; i++) {
      const code = charCodeAt(text, i);
      // Each half of a surrogate pair counts for two of its four bytes.
      used += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
      if (used > bytes) return i;
    }
    return length;
  }

  function safeStringify(value) {
    try {
      return stringify(value, replaceOddities) ?? toText(value);
    } catch (thrown) {
      return stringify({ __proto__: null, unreadable: describe(thrown).message });
    }
  }

  function replaceOddities(_key, value) {
    if (typeof value === "bigint") return toText(value);
    return value instanceof NativeError ? describe(value) : value;
  }

  function inspect(value) {
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) {
      if (!(value instanceof NativeError)) return safeStringify(value);
      const { name, message, stack } = describe(value);
      return stack === "" ? `${name}: ${message}` : stack;
    }
    if (typeof value === "function") return "[function]";
    return toText(value);
  }

  // ── console ────────────────────────────────────────────────────────────────────────────────────────────────────

  function installConsole() {
    const counts = new NativeMap();
    const started = new NativeMap();
    const write =
      (level) =>
      (...values) =>
        log(run, level, format(values));
    const sinceStart = (label) => {
      const start = mapGet(started, toText(label));
      if (start !== undefined) log(run, "info", `${toText(label)}: ${clock() - start} ms`);
    };
    const console = {
      debug: write("debug"),
      log: write("info"),
      info: write("info"),
      dir: (value) => log(run, "info", inspect(value)),
      table: write("info"),
      group: write("info"),
      groupCollapsed: write("info"),
      groupEnd() {},
      clear() {},
      warn: write("warn"),
      error: write("error"),
      trace: (...values) => log(run, "debug", `${format(values)}\n${new NativeError("Trace").stack}`),
      assert(condition, ...values) {
        if (!condition) log(run, "error", `Assertion failed: ${format(values)}`);
      },
      count(label = "default") {
        const count = (mapGet(counts, toText(label)) ?? 0) + 1;
        mapSet(counts, toText(label), count);
        log(run, "info", `${toText(label)}: ${count}`);
      },
      countReset(label = "default") {
        mapDelete(counts, toText(label));
      },
      time(label = "default") {
        mapSet(started, toText(label), clock());
      },
      timeLog: (label = "default") => sinceStart(label),
      timeEnd(label = "default") {
        sinceStart(label);
        mapDelete(started, toText(label));
      },
    };
    expose("console", console);
  }

  /** The usual %s %d %i %f %j %o %O %c of console, then the rest separated by spaces. */
  function format(values) {
    let next = 0;
    let text = "";
    if (typeof values[0] === "string") {
      next = 1;
      text = values.length === 1 ? values[0] : replace(/%[sdifjoOc%]/g, values[0], substitute);
    }
    for (; next < values.length; next++) text += (next === 0 ? "" : " ") + inspect(values[next]);
    return text;

    function substitute(mark) {
      if (mark === "%%") return "%";
      if (next >= values.length) return mark;
      const value = values[next++];
      if (mark === "%c") return "";
      if (mark === "%d" || mark === "%f")
        return toText(typeof value === "object" ? Number.NaN : toNumber(value));
      if (mark === "%i") return toText(typeof value === "object" ? Number.NaN : trunc(toNumber(value)));
      return mark === "%j" ? safeStringify(value) : inspect(value);
    }
  }

  // ── timers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  function setClock(hostNow) {
    hostBase = hostNow;
    dateBase = dateNow();
  }

  /** Milliseconds on the host's monotonic clock: the guest's own may be set back. */
  function clock() {
    return hostBase + max(dateNow() - dateBase, 0);
  }

  function installTimers() {
    expose("setTimeout", function setTimeout(callback, delay, ...args) {
      return addTimer(callback, delay, args, false);
    });
    expose("setInterval", function setInterval(callback, delay, ...args) {
      return addTimer(callback, delay, args, true);
    });
    expose("clearTimeout", function clearTimeout(id) {
      if (mapDelete(timers, toNumber(id))) timerCount--;
    });
    expose("clearInterval", function clearInterval(id) {
      if (mapDelete(timers, toNumber(id))) timerCount--;
    });
    const resolved = NativePromise.resolve();
    expose("queueMicrotask", function queueMicrotask(callback) {
      if (typeof callback !== "function") throw new TypeError("queueMicrotask takes a function.");
      const mine = run;
      then(resolved, () => {
        try {
          callback();
        } catch (thrown) {
          fail(mine, thrown);
        }
      });
    });
  }

  function addTimer(callback, delay, args, repeats) {
    if (typeof callback !== "function") throw new TypeError("A timer takes a function.");
    const wanted = trunc(toNumber(delay));
    const everyMs = wanted >= 1 && wanted <= 2_147_483_647 ? wanted : 1;
    if (run.ended) return 0;
    if (timerCount >= limits.timers) {
      throw new RangeError(`A run may have at most ${limits.timers} timers at once.`);
    }
    timerCount++;
    const id = nextTimerId++;
    const due = clock() + everyMs;
    mapSet(timers, id, { __proto__: null, id, due, callback, args, everyMs: repeats ? everyMs : 0 });
    if (due < armedFor) {
      armedFor = due;
      wake(everyMs);
    }
    return id;
  }

  /** One timer an entry, so that its microtasks run before the next; answers when the next is due. */
  function runDueTimer() {
    const now = clock();
    const timer = nextTimer();
    if (timer !== undefined && timer.due <= now) {
      const mine = run;
      if (timer.everyMs > 0) {
        // Back to the end of the map: among timers due at once the older goes first.
        mapDelete(timers, timer.id);
        timer.due = max(timer.due + timer.everyMs, now + 1);
        mapSet(timers, timer.id, timer);
      } else if (mapDelete(timers, timer.id)) timerCount--;
      try {
        apply(timer.callback, undefined, timer.args);
      } catch (thrown) {
        fail(mine, thrown);
      }
    }
    const next = nextTimer();
    armedFor = next === undefined ? Number.POSITIVE_INFINITY : next.due;
    return next === undefined ? -1 : max(ceil(next.due - clock()), 0);
  }

  function nextTimer() {
    let first;
    mapForEach(timers, (timer) => {
      if (first === undefined || timer.due < first.due) first = timer;
    });
    return first;
  }

  function clearTimers() {
    if (timerCount === 0) return;
    mapClear(timers);
    timerCount = 0;
    armedFor = Number.POSITIVE_INFINITY;
  }

  // ── the global object ──────────────────────────────────────────────────────────────────────────────────────────

  function expose(name, value) {
    defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }

  /** Deleted, not overwritten: an overwritten global comes back when the guest deletes it. */
  function lockDown() {
    for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics"]) {
      if (!delete globalThis[name] || name in globalThis) throw new NativeError(`${name} is still there`);
    }
    const NativeBuffer = ArrayBuffer;
    const { prototype } = NativeBuffer;
    delete prototype.resize;
    // Resizable buffers reserve address space that no limit of the isolate counts.
    const GuestBuffer = function (length, options) {
      if (new.target === undefined) throw new TypeError("Constructor ArrayBuffer requires 'new'");
      if (options !== undefined && options !== null && options.maxByteLength !== undefined) {
        throw new RangeError("Resizable array buffers are not available.");
      }
      return construct(NativeBuffer, [length], new.target);
    };
    defineProperty(GuestBuffer, "prototype", { value: prototype, writable: false });
    defineProperty(GuestBuffer, "name", { value: "ArrayBuffer" });
    defineProperty(GuestBuffer, "length", { value: 1 });
    defineProperty(GuestBuffer, "isView", { value: NativeBuffer.isView, writable: true, configurable: true });
    defineProperty(GuestBuffer, Symbol.species, {
      get() {
        return this;
      },
      configurable: true,
    });
    defineProperty(prototype, "constructor", { value: GuestBuffer, writable: true, configurable: true });
    expose("ArrayBuffer", GuestBuffer);
  }
}
