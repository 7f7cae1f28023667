/** Where a picture is seen from: whole, or its beginning when whole it would be nothing to see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fit, MIN_ZOOM, start } from "../../webview/parts/graph/camera.ts";

const VIEW = { width: 800, height: 600 };

test("a picture fits whole, in the middle", () => {
  const picture = { width: 400, height: 4000 };
  const { x, y, zoom } = fit(picture, VIEW);
  assert.ok(y <= 0 && y + VIEW.height / zoom >= picture.height);
  assert.ok(Math.abs(x + VIEW.width / zoom / 2 - 200) < 1e-9);
  assert.ok(fit({ width: 10, height: 10 }, VIEW).zoom === 1, "nothing is magnified");
});

test("a picture that would be a hairline fits by its narrower side, from its beginning", () => {
  const tall = { width: 400, height: 400_000 };
  const high = fit(tall, VIEW);
  assert.equal(high.zoom, 1);
  assert.ok(high.x <= 0 && high.x + VIEW.width >= tall.width);
  assert.ok(high.y < 0 && high.y > -60, "its top is in view");
  const wide = fit({ width: 400_000, height: 2000 }, VIEW);
  assert.ok(wide.zoom >= MIN_ZOOM && wide.zoom < 0.3);
  assert.ok(wide.x < 0 && wide.y <= 0 && wide.y + VIEW.height / wide.zoom >= 2000);
});

test("what cannot be read whole is first seen at its beginning", () => {
  const camera = start({ width: 400, height: 4000 }, VIEW, null);
  assert.equal(camera.zoom, 1);
  assert.ok(camera.y < 0);
});
