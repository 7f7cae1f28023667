/** Where computed results are kept between runs: the user's cache folder of each system. */
import path from "node:path";

/** `LATHE_SCRATCH` overrides the place. */
export function scratchFolder(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  const set = (name: string): string | null => (env[name] ?? "") || null;
  const chosen = set("LATHE_SCRATCH");
  if (chosen !== null) return path.resolve(chosen);
  if (platform === "win32")
    return path.join(set("LOCALAPPDATA") ?? path.join(home, "AppData", "Local"), "lathe");
  if (platform === "darwin") return path.join(home, "Library", "Caches", "lathe");
  return path.join(set("XDG_CACHE_HOME") ?? path.join(home, ".cache"), "lathe");
}
