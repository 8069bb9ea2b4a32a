import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './stamp.js';

/**
 * The licences of the libraries and of the data in the bundle, which ask to travel with every copy.
 *
 * @param {string[]} inputs the files that went into the bundle
 */
export function licencesOf(inputs) {
  const folders = inputs.map((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const packages = [...new Set(folders.filter((folder) => folder !== undefined))].sort();

  const texts = [...packages.map(licenceOf), ...inputs.flatMap(licenceOfData)];
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/**
 * Data that other people measured, and what they ask for.
 *
 * @param {string} file
 */
function licenceOfData(file) {
  if (file !== 'fixtures/experiments/published.json') return [];
  return [readFileSync(path.join(root, 'fixtures/experiments/licence-of-pcie-bench.txt'), 'utf8')];
}

/** @param {string} folder */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(
    readFileSync(path.join(root, folder, 'package.json'), 'utf8'),
  );
  const file = readdirSync(path.join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? `\n${readFileSync(path.join(root, folder, file), 'utf8').trim()}\n` : '';

  return `${name} ${version} (${license})\n${text}`;
}
