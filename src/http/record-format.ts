/**
 * How keys, values and header values are spelled in JSON, in and out (`Record-Format`).
 *
 *            key                                value                              header value
 *   json     string: its text; else JSON text   its JSON text, digit for digit     string: its text
 *   text     string: its text                   string: its text                   string: its text
 *   base64   string: decoded                    string: decoded                    string: decoded
 *
 * null is null everywhere. Where the format cannot hold bytes they are spelled `key_base64`, `value_base64` and
 * `{"base64": …}`, in answers and in requests alike.
 */
export const RECORD_FORMATS = ['json', 'text', 'base64'] as const;
export type RecordFormat = (typeof RECORD_FORMATS)[number];
