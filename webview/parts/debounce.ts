/** The last of several calls in quick succession, after `ms` of quiet. */
export function debounce<A extends readonly unknown[]>(
  ms: number,
  call: (...args: A) => void,
): (...args: A) => void {
  let timer: number | undefined;
  return (...args) => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => call(...args), ms);
  };
}
