/** With TEST_REPORT=FILE the results also go there, as vitest's JSON, for whoever adds them up. */
const file = process.env['TEST_REPORT'];

export const reporters: (string | [string, { readonly outputFile: string }])[] =
  file === undefined ? ['default'] : ['default', ['json', { outputFile: file }]];
