/** Markdown files are imported as text; the build and the test run see to it. */
declare module '*.md' {
  const text: string;
  export default text;
}
