/** The data each model was last used with in this workspace. */
import { existsSync } from "node:fs";
import type { Memento } from "vscode";

export interface DataMemory {
  /** Undefined also when the file or folder is gone. */
  recall(model: string): string | undefined;
  remember(model: string, data: string | undefined): void;
}

export const dataMemory = (state: Memento): DataMemory => ({
  recall(model) {
    const data = state.get<string>(dataKey(model));
    return data !== undefined && existsSync(data) ? data : undefined;
  },
  remember: (model, data) => void state.update(dataKey(model), data),
});

const dataKey = (model: string): string => `data:${model}`;
