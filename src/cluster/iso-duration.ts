/** Milliseconds of an ISO 8601 duration of days, hours, minutes and seconds ("PT36H", "P1DT0.5S"); null when it is none. */
export function durationMs(text: string): number | null {
  const match = /^P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d{1,9})?)S)?)?$/i.exec(text);
  if (!match || match.slice(1).every((part) => part === undefined)) return null;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number((part ?? '0').replace(',', '.')));
  const ms = (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1_000;
  return ms <= Number.MAX_SAFE_INTEGER ? Math.floor(ms) : null;
}
