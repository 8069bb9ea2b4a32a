/** What comes of a command. */

/** A command cannot be carried out; the machine is as it was. */
export class Refused extends Error {}

export type Result = {
  /** One or two sentences. */
  readonly text: string;
  /** What one would type on a real machine. */
  readonly linux: readonly string[];
};

/** Why a command about a device is refused that this machine lacks; another one may have it. */
export const noDevice = (name: string): string =>
  name === 'snd0'
    ? 'snd0 is on a PCI bus, which this machine lacks: pc.pciBus=yes'
    : `there is no device ${name}`;
