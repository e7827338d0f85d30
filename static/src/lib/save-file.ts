/** Hands a body to the browser as a download, under the name that the service gave it. */
export async function saveFile(response: Response, otherwise: string): Promise<void> {
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = address;
  link.download = fileName(response.headers.get('Content-Disposition')) ?? otherwise;
  link.click();
  // Later, as the browser must have begun with it.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** RFC 6266: `filename*` has the whole name and wins. */
export function fileName(disposition: string | null): string | null {
  const encoded = /;\s*filename\*=UTF-8''([^;\s]+)/i.exec(disposition ?? '')?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      // It is malformed, so the plain name has to do.
    }
  }
  return /;\s*filename="([^"]+)"/i.exec(disposition ?? '')?.[1] ?? null;
}
