/** The hand-written cases in fixtures/conformance/. */
import { readdirSync, readFileSync } from 'node:fs';
import type { CaseFile } from '../../source/conformance/case-file.ts';
import { readCases } from '../../source/conformance/read-cases.ts';

const folder = new URL('../../fixtures/conformance/', import.meta.url);

/** By name without extension. */
export const fixtures: Readonly<Record<string, CaseFile>> = Object.fromEntries(
  readdirSync(folder).map((file) => [
    file.replace('.json', ''),
    readCases(readFileSync(new URL(file, folder), 'utf8')),
  ]),
);

/** Whose cases QEMU answers otherwise, each for another reason. */
export const DEPARTURES = 'departures';
