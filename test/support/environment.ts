// Ink and its colours read these when they are loaded, so they have to be gone before any test imports them.
for (const name of [
  'CI',
  'CONTINUOUS_INTEGRATION',
  'FORCE_COLOR',
  'NO_COLOR',
  'INK_SCREEN_READER',
  'COLUMNS',
  'LINES',
]) {
  delete process.env[name];
}
