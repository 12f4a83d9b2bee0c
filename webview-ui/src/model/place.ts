/** The session's folder as its machine knows it; '' until the host has said. One page shows one session, so there is one. */
let root = '';

export function setRoot(folder: string): void {
  root = folder.length > 1 && /[/\\]$/.test(folder) ? folder.slice(0, -1) : folder;
}

let files = true;

/** Whether paths lead to files that can be opened from here. */
export function setFiles(open: boolean): void {
  files = open;
}
export function opensFiles(): boolean {
  return files;
}

/** A path as it is read from the session's folder; one that is not below it as it is. What opens a file keeps the whole path. */
export function below(path: string): string {
  if (root === '' || !path.startsWith(root)) return path;
  const rest = path.slice(root.length);
  return /^[/\\]./.test(rest) ? rest.slice(1) : path;
}

/** The name of a machine amid a sentence: “This computer” is the name of the one that everything runs on. */
export function amid(machine: string): string {
  return machine === 'This computer' ? 'this computer' : machine;
}

/** True for the session's folder itself. */
export function isRoot(path: string): boolean {
  return path === root;
}
