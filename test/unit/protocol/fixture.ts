/** Bytes written out by hand: pieces of hexadecimal, text in quotes. `['0006', "'orders'"]` */
export function fixture(...pieces: readonly string[]): string {
  return pieces
    .map((piece) =>
      piece.startsWith("'") ? Buffer.from(piece.slice(1, -1)).toString('hex') : piece.replaceAll(' ', ''),
    )
    .join('');
}
