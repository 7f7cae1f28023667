/** The most recently used values, at most `limit`. */
export class Recent<V> {
  readonly #values = new Map<string, V>();
  readonly #limit: number;
  constructor(limit: number) {
    this.#limit = limit;
  }
  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }
  set(key: string, value: V): V {
    this.#values.set(key, value);
    const oldest = this.#values.keys().next();
    if (this.#values.size > this.#limit && oldest.done !== true) this.#values.delete(oldest.value);
    return value;
  }
}
