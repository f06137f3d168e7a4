// A stock tus-js-client, used as its documentation shows. Run twice, as two processes:
//   node tus_js.mjs '{"phase":"start", …}'    the process ends once `stop_at` bytes were sent, whatever was on the way
//   node tus_js.mjs '{"phase":"resume", …}'   finds the upload in its storage and finishes it
// Both print one JSON object; the second says from which offset it went on.
import { createReadStream } from 'node:fs'
import { FileUrlStorage, Upload } from 'tus-js-client'

const job = JSON.parse(process.argv[2])
let resumedFrom = null
let url = null

function say(more) {
  process.stdout.write(`${JSON.stringify({ url, resumed_from: resumedFrom, ...more })}\n`)
}

const upload = new Upload(createReadStream(job.file), {
  endpoint: job.endpoint,
  headers: { Authorization: `Bearer ${job.token}` },
  metadata: { filename: 'film.mp4', filetype: 'video/mp4', sha256: job.sha256 },
  urlStorage: new FileUrlStorage(job.store),
  chunkSize: job.chunk ?? Number.POSITIVE_INFINITY,
  retryDelays: [0, 200, 500],
  onAfterResponse(request, response) {
    if (request.getMethod() === 'HEAD') resumedFrom = Number(response.getHeader('Upload-Offset'))
  },
  onProgress(sent) {
    url = upload.url
    if (job.phase === 'start' && sent >= job.stop_at) {
      say({ sent })
      process.exit(0)
    }
  },
  onError(error) {
    console.error(String(error))
    process.exit(1)
  },
  onSuccess() {
    url = upload.url
    say({ done: true })
  },
})

if (job.phase === 'resume') {
  const known = await upload.findPreviousUploads()
  if (known.length === 0) {
    console.error('the storage holds no earlier upload')
    process.exit(1)
  }
  upload.resumeFromPreviousUpload(known[0])
}
upload.start()
