/** Whether somebody starts the program for the first time: a file in the folder for state says no. */
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

const text = 'dmascope has been started here, so it does not welcome you again. :welcome does.\n';

/** True once for each user. Also false where it cannot be remembered: a welcome at every start would be none. */
export async function isFirstStart(): Promise<boolean> {
  const folder = path.join(stateFolder(), 'dmascope');
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'started'), text, { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

/** As the XDG Base Directory Specification says: an absolute path, or the usual one. */
function stateFolder(): string {
  const { XDG_STATE_HOME: folder = '' } = process.env;
  return path.isAbsolute(folder) ? folder : path.join(homedir(), '.local', 'state');
}
