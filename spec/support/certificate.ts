/**
 * A certificate of its own for 127.0.0.1, made when a spec asks for it and gone when its process ends. Needs the `openssl` command.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
  /** Files with the same. */
  readonly certFile: string
  readonly keyFile: string
}

/** Why specs with TLS are skipped, or `false`. Throws where skipping is not allowed (`CI` or `RAZOR_NO_SKIP` is set). */
export function withoutOpenssl(): string | false {
  if (spawnSync('openssl', ['version']).status === 0) return false
  const why = 'making a certificate needs the openssl command'
  if (process.env['CI'] || process.env['RAZOR_NO_SKIP']) throw new Error(why)
  return why
}

/** Makes one more. */
export function certificate(): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'razor-cert-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const made = spawnSync(
    'openssl',
    ['req', '-x509', ...curve, '-keyout', keyFile, '-out', certFile, '-days', '2', ...names],
    { encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`)
  return { cert: readFileSync(certFile), key: readFileSync(keyFile), certFile, keyFile }
}
