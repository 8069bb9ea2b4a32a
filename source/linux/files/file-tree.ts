/** Files of the kernel's own file systems by path. The text of a file is made when it is read. */
import { KernelRefusal } from '../refusal.ts';

/** What is at a path. */
export type KernelFile =
  | { readonly kind: 'file'; readonly text: string }
  /** Names in order; those of folders end in `/`. */
  | { readonly kind: 'folder'; readonly names: readonly string[] }
  | { readonly kind: 'link'; readonly target: string };

export class FileTree {
  private readonly files = new Map<string, () => string>();
  private readonly writers = new Map<string, (text: string) => void>();
  private readonly links = new Map<string, string>();
  private readonly folders = new Map<string, Set<string>>();

  /**
   * A file at an absolute path, and the folders it lies in.
   *
   * @param write what becomes of a word that is written to it; left out for a file that is only read
   */
  add(path: string, text: () => string, write?: (text: string) => void): void {
    this.files.set(path, text);
    if (write !== undefined) this.writers.set(path, write);
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
    const clean = cleanPath(path);
    const text = this.files.get(clean);
    if (text !== undefined) return { kind: 'file', text: text() };
    const target = this.links.get(clean);
    if (target !== undefined) return { kind: 'link', target };
    const names = this.folders.get(clean);
    return names === undefined ? null : { kind: 'folder', names: [...names].sort(byNumber) };
  }

  /**
   * Write a word to a file, as root.
   *
   * @returns whether there is such a file
   * @throws KernelRefusal: EISDIR for a folder, and for a file that is only read what its file system says
   */
  write(path: string, text: string): boolean {
    const clean = cleanPath(path);
    const write = this.writers.get(clean);
    if (write !== undefined) write(text);
    else if (this.files.has(clean)) throw new KernelRefusal(errnoOf(clean), `${clean} cannot be written`);
    else if (this.read(clean) !== null) throw new KernelRefusal('EISDIR', `${clean} is a folder`);
    else return false;
    return true;
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

/** One slash before each name, as the kernel takes a path; `.` stays in a folder, and `..` leaves it. */
function cleanPath(path: string): string {
  const names: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  return `/${names.join('/')}`;
}

/**
 * What a write to a file that has no way to take it comes to: sysfs does not open it (kernfs_fop_open), debugfs opens
 * it for root but seq_file takes nothing, and procfs has no write either (proc_reg_write).
 */
const errnoOf = (path: string): string =>
  path.startsWith('/sys/kernel/debug/') ? 'EINVAL' : path.startsWith('/proc/') ? 'EIO' : 'EACCES';

/** Group 10 comes after group 9, as `ls -v` has it. */
const byNumber = (a: string, b: string): number => {
  const [left, right] = [Number.parseInt(a, 10), Number.parseInt(b, 10)];
  if (/^\d+\/?$/.test(a) && /^\d+\/?$/.test(b)) return left - right;
  return a < b ? -1 : a > b ? 1 : 0;
};
