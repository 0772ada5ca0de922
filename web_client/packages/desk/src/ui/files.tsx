/** A file in a message: a photo is shown, a PDF is a card. Bytes come with the credential, as a blob. */
import type { Api } from "@talknow/client";
import type { FileInfo } from "@talknow/protocol";
import { useEffect, useState } from "preact/hooks";
import { sizeOf } from "../words.ts";
import { Icon } from "./icons.tsx";

interface FileProps {
  api: Pick<Api, "file">;
  file: FileInfo;
}

const KEEP_URL_MS = 10_000;

export function FileView({ api, file }: FileProps) {
  return file.media_type.startsWith("image/") ? (
    <Photo api={api} file={file} />
  ) : (
    <Card api={api} file={file} />
  );
}

function Photo({ api, file }: FileProps) {
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

function Card({ api, file }: FileProps) {
  return (
    <button type="button" class="file" aria-label={`Save ${file.name}`} onClick={() => void save(api, file)}>
      <Icon name="file" />
      <span class="file-name">{file.name}</span>
      <span class="file-size">{sizeOf(file.bytes)}</span>
    </button>
  );
}

/** Save as a download: a customer's file is never opened as a page of the desk's origin. */
async function save(api: FileProps["api"], file: FileInfo): Promise<void> {
  const blob = await api.file(file.id).catch(() => null);
  if (blob === null) return;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_URL_MS);
}
