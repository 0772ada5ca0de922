/**
 * Bytes of pictures that may not be fetched: what a `data:` address holds is read from it, what the page's
 * `connect-src` forbids but its `img-src` shows is drawn. Loaded when the first such picture comes.
 */
const MAX_SIDE = 2_048;

/** Raises: an Error when the browser shows the picture but lets nobody read it. */
export async function drawn(address: string): Promise<Blob> {
  if (address.startsWith("data:")) return held(address);
  const image = new Image();
  image.src = address;
  await image.decode();
  // A vector picture may have no size of its own.
  const [width, height] = [image.naturalWidth || 300, image.naturalHeight || 150];
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob === null ? reject(new Error("nothing drawn")) : resolve(blob)),
      "image/png",
    ),
  );
}

/** RFC 2397. */
export function held(address: string): Blob {
  const comma = address.indexOf(",");
  const head = address.slice(5, comma);
  const body = decodeURIComponent(address.slice(comma + 1));
  const isBase64 = /;\s*base64\s*$/i.test(head);
  const text = isBase64 ? atob(body) : body;
  const bytes = isBase64
    ? Uint8Array.from(text, (letter) => letter.charCodeAt(0))
    : new TextEncoder().encode(text);
  return new Blob([bytes], { type: head.split(";")[0] || "text/plain" });
}
