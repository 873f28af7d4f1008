/** Prometheus and promtool: from PATH, else out of Debian's package. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { canFetchPackages, fetchPackage, packageFolder } from "./debian-packages.ts";
import { findOnPath } from "./path.ts";

const FOLDER = packageFolder("prometheus");

export interface PrometheusTools {
  prometheus: string;
  promtool: string;
}

/** The two programs, fetched once where they are missing; or why they cannot be had, in one line. */
export async function providePrometheus(): Promise<PrometheusTools | { skip: string }> {
  const [prometheus, promtool] = [findOnPath("prometheus"), findOnPath("promtool")];
  if (prometheus && promtool) return { prometheus, promtool };
  const fetched = {
    prometheus: join(FOLDER, "usr", "bin", "prometheus"),
    promtool: join(FOLDER, "usr", "bin", "promtool"),
  };
  if (existsSync(fetched.promtool)) return fetched;
  if (!canFetchPackages()) return { skip: "there is no prometheus on the PATH, and no apt-get to fetch it" };
  try {
    await fetchPackage("prometheus");
    return fetched;
  } catch (error) {
    return { skip: `prometheus could not be fetched: ${messageOf(error).split("\n")[0]}` };
  }
}
