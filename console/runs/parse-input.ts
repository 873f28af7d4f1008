/** JSON as somebody typed it; nothing at all is null. */
export function parseInput(text: string): { value: unknown } | { fault: string } {
  if (text.trim() === "") return { value: null };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { fault: `This is not JSON: ${(error as Error).message}` };
  }
}
