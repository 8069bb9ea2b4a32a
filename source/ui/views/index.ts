/** The views in the order of their tabs. */
import { compare } from './compare.ts';
import { dma } from './dma.ts';
import { experiments } from './experiments.ts';
import { faults } from './faults.ts';
import { overview } from './overview.ts';
import { tables } from './tables.ts';
import type { View } from './view.ts';

export const views: readonly View[] = [overview, tables, dma, faults, compare, experiments];

/** The view of a name, or the first. */
export const viewNamed = (name: string): View => views.find((view) => view.name === name) ?? views[0];

export const isView = (name: string): boolean => views.some((view) => view.name === name);
