/** Something with an end. VS Code's own class of that name asks for its constructor. */
export interface Disposable {
  dispose(): void;
}
