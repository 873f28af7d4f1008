/** DOMException, as Web IDL defines it: a real error whose name and message live behind accessors. */
import { defineConstants, defineInterface, toDomString } from "./webidl.ts";

const CODES: Record<string, number> = {
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
};

const CONSTANTS: Record<string, number> = {
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
};

const NativeError = Error;
const { construct } = Reflect;
const { captureStackTrace } = Error;

class Returned {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: a subclass puts its private fields onto this object.
    return object;
  }
}

/** Private fields on an error object that another constructor made. */
class Facts extends Returned {
  #name: string;
  #message: string;

  constructor(error: object, name: string, message: string) {
    super(error);
    this.#name = name;
    this.#message = message;
  }

  static has(value: unknown): boolean {
    return typeof value === "object" && value !== null && #name in value;
  }

  static nameOf(value: unknown): string {
    return (value as Facts).#name;
  }

  static messageOf(value: unknown): string {
    return (value as Facts).#message;
  }
}

/** Its parent is Function.prototype and its instances are errors all the same: so it does not extend Error. */
class GuestDomException {
  constructor(message: unknown = "", options: unknown = "Error") {
    const text = toDomString(message);
    let name = "Error";
    let cause: { value: unknown } | undefined;
    if (typeof options === "object" && options !== null) {
      const { name: given } = options as { name?: unknown };
      if (given !== undefined) name = toDomString(given);
      if ("cause" in options) cause = { value: options.cause };
    } else name = toDomString(options);
    const error = construct(NativeError, [], new.target);
    new Facts(error, name, text);
    captureStackTrace(error, new.target);
    writeStack(error as Error, name, text);
    if (cause) {
      Object.defineProperty(error, "cause", { value: cause.value, writable: true, configurable: true });
    }
    // biome-ignore lint/correctness/noConstructorReturn: only Error makes objects that V8 takes for errors.
    return error as GuestDomException;
  }

  get name(): string {
    return Facts.nameOf(this);
  }

  get message(): string {
    return Facts.messageOf(this);
  }

  get code(): number {
    const name = Facts.nameOf(this);
    return Object.hasOwn(CODES, name) ? CODES[name]! : 0;
  }
}

Object.setPrototypeOf(GuestDomException.prototype, Error.prototype);
defineConstants(GuestDomException, CONSTANTS);

/** V8 leaves the message out of a stack where it is behind an accessor. */
function writeStack(error: Error, name: string, message: string): void {
  const written = error.stack ?? "";
  const frames = written.indexOf("\n    at ");
  const head = message === "" ? name : `${name}: ${message}`;
  const value = head + (frames < 0 ? "" : written.slice(frames));
  Object.defineProperty(error, "stack", { value, writable: true, configurable: true });
}

export function isDomException(value: unknown): boolean {
  return Facts.has(value);
}

type DomExceptionClass = new (message?: string, name?: string | { name?: string; cause?: unknown }) => Error;

export const GuestDOMException = GuestDomException as unknown as DomExceptionClass;

export function domException(name: string, message: string): Error {
  return new GuestDOMException(message, name);
}

export function installDomException(): void {
  defineInterface("DOMException", GuestDomException);
}
