/** Files of the kernel's own file systems by path. The text of a file is made when it is read. */

/** What is at a path. */
export type KernelFile =
  | { readonly kind: 'file'; readonly text: string }
  /** Names in order; those of folders end in `/`. */
  | { readonly kind: 'folder'; readonly names: readonly string[] }
  | { readonly kind: 'link'; readonly target: string };

export class FileTree {
  private readonly files = new Map<string, () => string>();
  private readonly links = new Map<string, string>();
  private readonly folders = new Map<string, Set<string>>();

  /** A file at an absolute path, and the folders it lies in. */
  add(path: string, text: () => string): void {
    this.files.set(path, text);
    this.enter(path, '');
  }

  addLink(path: string, target: string): void {
    this.links.set(path, target);
    this.enter(path, '');
  }

  /** A folder that may stay empty. */
  addFolder(path: string): void {
    if (this.folders.has(path)) return;
    this.folders.set(path, new Set());
    if (path !== '/') this.enter(path, '/');
  }

  /** What is at a path, with or without slashes around it; null if nothing is. */
  read(path: string): KernelFile | null {
    const clean = `/${path
      .split('/')
      .filter((part) => part !== '')
      .join('/')}`;
    const text = this.files.get(clean);
    if (text !== undefined) return { kind: 'file', text: text() };
    const target = this.links.get(clean);
    if (target !== undefined) return { kind: 'link', target };
    const names = this.folders.get(clean);
    return names === undefined ? null : { kind: 'folder', names: [...names].sort(byNumber) };
  }

  /** Every path; those of folders end in `/`. */
  get paths(): readonly string[] {
    const folders = [...this.folders.keys()].map((path) => (path === '/' ? path : `${path}/`));
    return [...folders, ...this.files.keys(), ...this.links.keys()].sort(byNumber);
  }

  private enter(path: string, mark: '' | '/'): void {
    const cut = path.lastIndexOf('/');
    const folder = cut === 0 ? '/' : path.slice(0, cut);
    this.addFolder(folder);
    this.folders.get(folder)?.add(path.slice(cut + 1) + mark);
  }
}

/** Group 10 comes after group 9, as `ls -v` has it. */
const byNumber = (a: string, b: string): number => {
  const [left, right] = [Number.parseInt(a, 10), Number.parseInt(b, 10)];
  if (/^\d+\/?$/.test(a) && /^\d+\/?$/.test(b)) return left - right;
  return a < b ? -1 : a > b ? 1 : 0;
};
