/** A model that exists only in memory, as a file for as long as it is used. */
import path from "node:path";
import type { Model } from "../../core/model.ts";
import type { Task } from "../../shared/task.ts";
import type { EngineEnv } from "../env.ts";
import { stageModel } from "../save.ts";

export const modelFile = <T>(
  env: EngineEnv,
  model: Model,
  use: (file: string) => Promise<T>,
  task: Task,
): Promise<T> =>
  env.withScratchFolder(async (folder) => {
    const file = path.join(folder, `variant.${model.format}`);
    const staged = await stageModel(
      model,
      file,
      { externalData: "auto", overwrite: true, allowInput: false },
      { signal: task.signal, progress: () => {} },
    );
    await staged.commit();
    return use(file);
  });
