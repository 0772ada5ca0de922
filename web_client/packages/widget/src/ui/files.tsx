/** A file in a message: a photo is shown, anything else is a card. Bytes come with the credential, as a blob. */
import type { Api } from "@talknow/client";
import type { FileInfo } from "@talknow/protocol";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icons.tsx";

type FileApi = Pick<Api, "file">;

export function sizeOf(bytes: number): string {
  return bytes < 1_000_000
    ? `${Math.max(1, Math.round(bytes / 1_000))} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function FileView({ api, file }: { api: FileApi; file: FileInfo }) {
  return file.media_type.startsWith("image/") ? (
    <Photo api={api} file={file} />
  ) : (
    <Card api={api} file={file} />
  );
}

function Photo({ api, file }: { api: FileApi; file: FileInfo }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let made = "";
    let gone = false;
    api.file(file.id).then(
      (blob) => {
        if (gone) return;
        made = URL.createObjectURL(blob);
        setUrl(made);
      },
      () => undefined,
    );
    return () => {
      gone = true;
      if (made !== "") URL.revokeObjectURL(made);
    };
  }, [api, file.id]);
  if (url === "") return <Card api={api} file={file} />;
  return (
    <button type="button" class="photo" aria-label={`Save ${file.name}`} onClick={() => void save(api, file)}>
      <img src={url} alt={file.name} />
    </button>
  );
}

function Card({ api, file }: { api: FileApi; file: FileInfo }) {
  return (
    <button type="button" class="file" onClick={() => void save(api, file)}>
      <Icon name="file" />
      <span class="hidden">Save </span>
      <span class="file-name">{file.name}</span>
      <span class="file-size">{sizeOf(file.bytes)}</span>
    </button>
  );
}

/** Save as a download: a file of somebody else is never opened as a page of this site. */
async function save(api: FileApi, file: FileInfo): Promise<void> {
  const blob = await api.file(file.id).catch(() => null);
  if (blob === null) return;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
