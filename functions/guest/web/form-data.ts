/** FormData of the XMLHttpRequest standard. */
import { fileOf, type GuestBlob, type GuestFile, isBlob, isFile } from "./blob.ts";
import { defineIterable } from "./iterable.ts";
import { defineInterface, isObject, requireArguments, toUsvString } from "./webidl.ts";

export type FormEntry = [name: string, value: string | GuestFile];

export let formEntries: (form: GuestFormData) => FormEntry[];
export let isFormData: (value: unknown) => value is GuestFormData;

export class GuestFormData {
  #entries: FormEntry[] = [];

  constructor(form: unknown = undefined) {
    if (form !== undefined) throw new TypeError("There are no forms here: FormData takes no argument");
  }

  append(name: unknown, value: unknown, filename: unknown = undefined) {
    const entries = this.#entries;
    requireArguments(arguments.length, 2, "FormData.append");
    entries.push(toEntry(name, value, filename, arguments.length > 2));
  }

  delete(name: unknown) {
    requireArguments(arguments.length, 1, "FormData.delete");
    const wanted = toUsvString(name);
    this.#entries = this.#entries.filter((entry) => entry[0] !== wanted);
  }

  get(name: unknown) {
    const entries = this.#entries;
    requireArguments(arguments.length, 1, "FormData.get");
    const wanted = toUsvString(name);
    return entries.find((entry) => entry[0] === wanted)?.[1] ?? null;
  }

  getAll(name: unknown) {
    const entries = this.#entries;
    requireArguments(arguments.length, 1, "FormData.getAll");
    const wanted = toUsvString(name);
    return entries.filter((entry) => entry[0] === wanted).map((entry) => entry[1]);
  }

  has(name: unknown) {
    const entries = this.#entries;
    requireArguments(arguments.length, 1, "FormData.has");
    const wanted = toUsvString(name);
    return entries.some((entry) => entry[0] === wanted);
  }

  set(name: unknown, value: unknown, filename: unknown = undefined) {
    requireArguments(arguments.length, 2, "FormData.set");
    const entry = toEntry(name, value, filename, arguments.length > 2);
    const index = this.#entries.findIndex(([key]) => key === entry[0]);
    if (index < 0) this.#entries.push(entry);
    else {
      const kept = this.#entries.filter(([key], at) => key !== entry[0] || at === index);
      kept[kept.findIndex(([key]) => key === entry[0])] = entry;
      this.#entries = kept;
    }
  }

  static {
    formEntries = (form) => form.#entries;
    isFormData = (value): value is GuestFormData => isObject(value) && #entries in value;
  }
}

function toEntry(name: unknown, value: unknown, filename: unknown, hasFilename: boolean): FormEntry {
  const key = toUsvString(name);
  if (hasFilename && filename !== undefined && !isBlob(value)) {
    throw new TypeError("A file name goes with a Blob");
  }
  if (!isBlob(value)) return [key, toUsvString(value)];
  return [key, toFile(value, hasFilename && filename !== undefined ? toUsvString(filename) : undefined)];
}

function toFile(blob: GuestBlob, filename: string | undefined): GuestFile {
  if (isFile(blob)) return filename === undefined ? blob : fileOf(blob, filename, blob.lastModified);
  return fileOf(blob, filename ?? "blob");
}

export function installFormData(): void {
  defineInterface("FormData", GuestFormData);
  defineIterable(GuestFormData, "FormData", formEntriesOf);
}

function formEntriesOf(form: GuestFormData): FormEntry[] {
  return formEntries(form);
}
