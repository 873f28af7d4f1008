/** What a limit holds for, by name: a run may start where each of its keys has a permit left. */

/** Runs of one function, whatever their revision. Later `task:…`, `queue:…`, `queue:…/customer-7`. */
export const functionKey = (functionId: string) => `function:${functionId}`;
