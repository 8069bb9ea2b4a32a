import { buildIfStale } from '../../development/build.js';

/** Tests in a pseudo-terminal start the bundle, so it has to be the one of these sources. */
export default async function setup(): Promise<void> {
  await buildIfStale();
}
