/** The options that say which Linux boots, and what firmware tells it. */
import { Option, type Command as Program } from 'commander';
import { quoted } from '../commands/printable.ts';
import { Refused } from '../commands/result.ts';
import { unexpected } from '../commands/words.ts';
import { defaultBuild, type KernelBuild, type Platform } from '../linux/boot/policy.ts';
import {
  DEFAULT_VERSION,
  type KernelVersion,
  NEWEST_VERSION,
  OLDEST_VERSION,
  readVersion,
} from '../linux/version.ts';
import { holds } from '../linux/version-rules.ts';
import { choice, invalid } from './options.ts';

const domainNames = ['lazy', 'strict', 'passthrough'] as const;

const platformWords = {
  'opt-in': 'optIn',
  tboot: 'measuredLaunch',
  'memory-encryption': 'memoryEncryption',
} as const satisfies Readonly<Record<string, keyof Platform>>;

export type KernelFlags = {
  readonly kernel: KernelVersion;
  readonly defaultOn?: boolean;
  readonly defaultDomain: KernelBuild['defaultDomain'];
  readonly platform: Platform;
};

/** @throws Refused for a default that this version cannot be built with */
export function kernelBuild({ kernel, defaultOn, defaultDomain }: KernelFlags): KernelBuild {
  if (defaultDomain === 'strict' && !holds('canDefaultToStrict', kernel)) {
    const others = domainNames.filter((name) => name !== 'strict').join(' or ');
    throw new Refused(
      `--default-domain strict: there is CONFIG_IOMMU_DEFAULT_DMA_STRICT since Linux 5.15; got --kernel ${kernel}, expected ${others}`,
    );
  }
  return { ...defaultBuild, version: kernel, intelIommuDefaultOn: defaultOn === true, defaultDomain };
}

export function withKernelOptions(program: Program): Program {
  return program
    .addOption(
      new Option('--kernel <version>', `Linux from ${OLDEST_VERSION} to ${NEWEST_VERSION}`)
        .argParser(kernelVersion)
        .default(DEFAULT_VERSION),
    )
    .option('--default-on', 'a kernel built with INTEL_IOMMU_DEFAULT_ON; the default boot line is then empty')
    .addOption(
      new Option('--default-domain <kind>', `a kernel built with this default: ${domainNames.join(', ')}`)
        .argParser(choice('a default domain', domainNames))
        .default('lazy'),
    )
    .addOption(
      new Option(
        '--platform <words>',
        `what firmware brings, with commas: ${Object.keys(platformWords).join(', ')}`,
      )
        .argParser(platform)
        .default(platform(''), 'none of them'),
    );
}

function kernelVersion(text: string): KernelVersion {
  const version = readVersion(text);
  if (version === null) {
    throw invalid(
      `expected a version from ${OLDEST_VERSION} to ${NEWEST_VERSION}, such as 6.1; got ${quoted(text)}`,
    );
  }
  return version;
}

function platform(text: string): Platform {
  const found = { optIn: false, measuredLaunch: false, memoryEncryption: false };
  for (const word of text.split(',').filter((part) => part !== '')) {
    if (!Object.hasOwn(platformWords, word)) {
      throw invalid(unexpected('words of the platform', word, Object.keys(platformWords)));
    }
    found[platformWords[word as keyof typeof platformWords]] = true;
  }
  return found;
}
