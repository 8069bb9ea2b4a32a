/** A row on the screen: one string in one Text, drawn again only if it changed. */
import { Text } from 'ink';
import { memo } from 'react';

export const RowText = memo(function RowText({ text }: { readonly text: string }) {
  // An empty Text has no height.
  return <Text wrap="truncate">{text === '' ? ' ' : text}</Text>;
});
