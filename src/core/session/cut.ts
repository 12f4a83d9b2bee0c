/** Characters of a tool's output that its row carries at the beginning and at the end; what lies between is asked for on demand. */
export const OUTPUT_HEAD = 8 * 1024;
export const OUTPUT_TAIL = 8 * 1024;
export const OUTPUT_LIMIT = OUTPUT_HEAD + OUTPUT_TAIL;

interface CutOutput {
  readonly output: string;
  /** Characters left out, between the head and the tail. */
  readonly outputOmitted: number;
}

/** Output as a row carries it: whole up to 16 Ki characters, else its head and its tail. No character is cut in two. */
export function cutOutput(whole: string): CutOutput {
  if (whole.length <= OUTPUT_LIMIT) return { output: whole, outputOmitted: 0 };
  return joinCut(headOf(whole), whole.slice(-OUTPUT_TAIL), whole.length);
}

/** The head of an output of at least OUTPUT_HEAD characters. */
export function headOf(whole: string): string {
  const head = whole.slice(0, OUTPUT_HEAD);
  return isHigh(head.charCodeAt(head.length - 1)) ? head.slice(0, -1) : head;
}

/** The cut output from its head, its last OUTPUT_TAIL characters and its whole length, for output that grows. */
export function joinCut(head: string, lastCharacters: string, length: number): CutOutput {
  const tail = isLow(lastCharacters.charCodeAt(0)) ? lastCharacters.slice(1) : lastCharacters;
  return { output: head + tail, outputOmitted: length - head.length - tail.length };
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
