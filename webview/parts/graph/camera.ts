/** Which part of a picture is seen: pan, zoom, fit, and what to do when something must come into view. */
export interface Camera {
  /** Place at the left top corner of the view, and pixels of the screen per pixel of the picture. */
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}
export interface Size {
  readonly width: number;
  readonly height: number;
}
export interface Rect extends Size {
  readonly x: number;
  readonly y: number;
}

export const MIN_ZOOM = 0.01;
export const MAX_ZOOM = 3;
const MARGIN = 24;
/** A picture that would be smaller than this when it fits is shown from its top instead. */
const READABLE_ZOOM = 0.75;

const clampZoom = (zoom: number): number => Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, zoom));

/** At which zoom a picture is as wide as the view, as high, and seen whole. */
function zooms(picture: Size, view: Size): { across: number; down: number; zoom: number } {
  const across = (view.width - 2 * MARGIN) / Math.max(1, picture.width);
  const down = (view.height - 2 * MARGIN) / Math.max(1, picture.height);
  return { across, down, zoom: Math.min(1, across, down) };
}

/** The whole picture in the middle of the view; of one that would be a hairline, the narrower side, from its beginning. */
export function fit(picture: Size, view: Size): Camera {
  const { across, down, zoom } = zooms(picture, view);
  if (zoom >= MIN_ZOOM) return centred({ x: 0, y: 0, ...picture }, view, zoom);
  const side = clampZoom(Math.min(1, Math.max(across, down)));
  const middle = centred({ x: 0, y: 0, ...picture }, view, side);
  return across < down ? { ...middle, x: -MARGIN / side } : { ...middle, y: -MARGIN / side };
}

/** Where a picture is first seen: all of it if that can be read, else its beginning. */
export function start(picture: Size, view: Size, first: Rect | null): Camera {
  const { across, zoom: whole } = zooms(picture, view);
  if (whole >= READABLE_ZOOM) return fit(picture, view);
  const zoom = clampZoom(Math.max(READABLE_ZOOM, Math.min(1, across)));
  const width = view.width / zoom;
  const x = first ? first.x + first.width / 2 - width / 2 : 0;
  // Nothing is gained by showing emptiness beside a narrow picture.
  const narrow = picture.width <= width;
  return { x: narrow ? (picture.width - width) / 2 : x, y: -MARGIN / zoom, zoom };
}

export const centred = (box: Rect, view: Size, zoom: number): Camera => ({
  x: box.x + box.width / 2 - view.width / zoom / 2,
  y: box.y + box.height / 2 - view.height / zoom / 2,
  zoom,
});

/** Zoomed by a factor around a place of the view, which stays where it is. */
export function zoomed(camera: Camera, factor: number, x: number, y: number): Camera {
  const zoom = clampZoom(camera.zoom * factor);
  return {
    x: camera.x + x / camera.zoom - x / zoom,
    y: camera.y + y / camera.zoom - y / zoom,
    zoom,
  };
}

/** Whether any of the picture is in the view. */
export const sees = (camera: Camera, picture: Size, view: Size): boolean =>
  camera.x < picture.width &&
  camera.y < picture.height &&
  camera.x + view.width / camera.zoom > 0 &&
  camera.y + view.height / camera.zoom > 0;

/** Some of the picture stays in view, whatever is dragged. */
export function kept(camera: Camera, picture: Size, view: Size): Camera {
  const width = view.width / camera.zoom;
  const height = view.height / camera.zoom;
  const keep = (at: number, length: number, seen: number): number =>
    Math.min(
      length - Math.min(length, seen) * 0.2,
      Math.max(at, -seen + Math.min(length, seen) * 0.2),
    );
  return {
    ...camera,
    x: keep(camera.x, picture.width, width),
    y: keep(camera.y, picture.height, height),
  };
}

/**
 * Moved just so far that the box is in the middle 80 % of the view, and not past the picture's edge; a
 * box that is larger than that counts by its beginning.
 */
export function following(camera: Camera, box: Rect, picture: Size, view: Size): Camera {
  const move = (from: number, at: number, length: number, all: number, seen: number): number => {
    if (all <= seen && at >= from && at + Math.min(length, seen) <= from + seen) return from;
    const low = at - seen * 0.1;
    const high = at + Math.min(length, seen * 0.8) - seen * 0.9;
    const wanted = from > low ? low : from < high ? high : from;
    const margin = MARGIN / camera.zoom;
    return all <= seen
      ? wanted
      : Math.min(Math.max(wanted, -margin), Math.max(from, all - seen + margin));
  };
  return {
    ...camera,
    x: move(camera.x, box.x, box.width, picture.width, view.width / camera.zoom),
    y: move(camera.y, box.y, box.height, picture.height, view.height / camera.zoom),
  };
}

/** On the way from one camera to another, `share` of it done: slow at both ends. */
export function between(a: Camera, b: Camera, share: number): Camera {
  const s = share * share * (3 - 2 * share);
  return {
    x: a.x + (b.x - a.x) * s,
    y: a.y + (b.y - a.y) * s,
    zoom: a.zoom * (b.zoom / a.zoom) ** s,
  };
}
