/**
 * The commands: plain data behind keys, the prompt, flags, recordings and tests alike. Everything that
 * changes a machine is one of these, so that a seed and a list of them replay a session.
 */

export type DeviceTarget = 'flip' | 'passthrough' | 'translated' | 'blocked' | 'host' | `guest ${string}`;

export type Command =
  | { readonly name: 'device'; readonly device: string | 'all'; readonly to: DeviceTarget }
  | {
      readonly name: 'dma';
      readonly device: string;
      readonly type: 'read' | 'write';
      /** Any 64-bit address, as `0x…`. */
      readonly address: string;
      readonly bytes: number;
    }
  | { readonly name: 'invalidation'; readonly device: string; readonly to: 'strict' | 'lazy' | 'flip' }
  | { readonly name: 'boot'; readonly line: string }
  /** Run a second machine beside this one, with the same seed and commands and another boot line; null: no more. */
  | { readonly name: 'compare'; readonly line: string | null }
  | { readonly name: 'workload'; readonly device: string; readonly to: 'start' | 'stop' | 'flip' }
  | { readonly name: 'pause' }
  /** Without a duration: run on until paused. With one: this long, then pause. */
  | { readonly name: 'run'; readonly forNs: number | null }
  /** So many DMA requests, then pause. */
  | { readonly name: 'step'; readonly count: number }
  /**
   * Simulated milliseconds for each second on the wall; Infinity: as fast as it goes. Relative words go by what the
   * speed then is, so that keys may come faster than pictures.
   */
  | { readonly name: 'speed'; readonly factor: number | 'faster' | 'slower' };

export type CommandName = Command['name'];
