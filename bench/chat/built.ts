/** A module of src as the build made it: tsx would compile it otherwise. */
export function loadBuilt(module: string): Promise<unknown> {
  return import(new URL(`../../dist/${module}.js`, import.meta.url).href)
}
