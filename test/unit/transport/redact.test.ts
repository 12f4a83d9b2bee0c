import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeError, PilothouseError } from '../../../src/core/model/errors.ts';
import { HttpClient, HttpError } from '../../../src/core/transport/http.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import { redact, RedactingStream } from '../../../src/core/transport/redact.ts';

const of = (characters: string): fc.Arbitrary<string> => fc.string({ unit: fc.constantFrom(...characters.split('')), minLength: 16, maxLength: 64 });
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const wordy = `${letters}0123456789_-`;

/** A secret, and texts in which it stands as systems, shells and libraries write it. */
const canary = fc.oneof(
  of(wordy).map((rest) => `sk-ant-api03-${rest}`),
  of(wordy).map((rest) => `sk-proj-${rest}`),
  of(letters).map((rest) => `ghp_${rest}`),
  of(wordy).map((rest) => `nxt_ag_${rest}`),
  of(wordy).map((rest) => `cf_${rest}7`),
  fc.tuple(of(wordy), of(wordy), of(wordy)).map(([head, body, seal]) => `eyJ${head}.${body}.${seal}`),
  of('0123456789abcdef'),
  of(letters),
  of(`${letters}0123456789+/`).map((text) => `${text}==`),
  of(wordy).map((text) => `K${text}`),
);
const names = fc.constantFrom('token', 'secret', 'apiKey', 'api_key', 'api-key', 'authorization', 'password', 'accessToken', 'refresh_token', 'client_secret', 'clientSecret', 'secretKey', 'privateKey', 'passphrase', 'x-api-key', 'dbPassword', 'sessionKey', 'credentials');
const variables = fc.constantFrom('ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'HAPPY_SECRET', 'GITHUB_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'DB_PASSWORD', 'NPM_TOKEN', 'TOKEN', 'SECRET_KEY_BASE');
type Shape = (secret: string, name: string, variable: string) => string;
const shapes: readonly Shape[] = [
  (secret) => `Authorization: Bearer ${secret}`,
  (secret) => `authorization: bearer ${secret}`,
  (secret) => JSON.stringify({ headers: { Authorization: `Bearer ${secret}` }, status: 401 }),
  (secret) => `Authorization: Basic ${Buffer.from(`me:${secret}`).toString('base64')} of ${Buffer.from(`me:${secret}`).toString('base64').length}`,
  (secret) => `rawHeaders: [ 'Host', 'x', 'Authorization', 'Bearer ${secret}' ]`,
  (secret, name) => `['${name}', '${secret}']`,
  (secret) => `curl -H "x-api-key: ${secret}" https://api.example.com/v1`,
  (secret) => `cookie: sid=${secret}; theme=dark`,
  (secret) => JSON.stringify({ 'set-cookie': `sid=${secret}; HttpOnly` }),
  (secret, _, variable) => `${variable}=${secret}`,
  (secret, _, variable) => `export ${variable}="${secret}"`,
  (secret, _, variable) => `env ${variable}='${secret}' claude --print`,
  (secret, _, variable) => `$env:${variable} = "${secret}"`,
  (secret) => `https://ann:${encodeURIComponent(secret)}@git.example.com/a.git ${secret.length}`,
  (secret) => `https://${encodeURIComponent(secret)}@git.example.com/a.git`,
  (secret) => `HTTPS_PROXY=http://ann:${encodeURIComponent(secret)}@proxy.example.com:3128`,
  (secret) => `https_proxy=ann:${encodeURIComponent(secret)}@proxy.example.com:3128 npm ci`,
  (secret) => JSON.stringify({ 'http.proxy': `http://ann:${encodeURIComponent(secret)}@proxy.example.com`, 'http.proxyStrictSSL': true }),
  (secret) => JSON.stringify({ 'http.proxy': `ann:${encodeURIComponent(secret)}@proxy.example.com` }),
  (secret) => JSON.stringify({ 'http.proxyAuthorization': `Basic ${Buffer.from(`ann:${secret}`).toString('base64')}` }),
  (secret) => `Proxy-Authorization: Basic ${Buffer.from(`ann:${secret}`).toString('base64')}`,
  (secret) => `socks5://ann:${encodeURIComponent(secret)}@proxy.example.com:1080`,
  (secret) => `postgres://me:${secret.replaceAll('/', '')}@db:5432/x`,
  (secret) => `GET https://api.example.com/v1?token=${encodeURIComponent(secret)}&page=2 401`,
  (secret) => `wss://h/x?page=2&key=${encodeURIComponent(secret)}`,
  (secret, name) => JSON.stringify({ [name]: secret, status: 401 }),
  (secret, name) => JSON.stringify({ outer: { [name]: `${secret} and "more" words` } }),
  (secret, name) => JSON.stringify({ message: JSON.stringify({ [name]: secret }) }),
  (secret, name) => JSON.stringify(JSON.stringify(JSON.stringify({ error: { [name]: `say "${secret}"` } }))),
  (secret, name) => JSON.stringify({ [name]: { value: secret, at: 1 } }),
  (secret, name) => `{ ${name}: '${secret}', status: 401 }`,
  (secret, name) => `${name}: ${secret}`,
  (secret, name) => `${name} = ${secret}, status = 401`,
  (secret, name) => `<${name}>${secret}</${name}>`,
  (secret, name) => `agent --${name} ${secret} --verbose`,
  (secret, name) => `agent --${name}=${secret} --verbose`,
  (secret, name) => `--data-urlencode ${name}%3D${encodeURIComponent(secret)}`,
  (secret) => `-----BEGIN OPENSSH PRIVATE KEY-----\n${secret}\n-----END OPENSSH PRIVATE KEY-----`,
];
/** A form in which the secret stands lines below its name: what takes a text line by line can't know. */
const nested: Shape = (secret, name) => JSON.stringify({ [name]: { value: secret, at: 1 } }, null, 2);
/** Forms in which the secret stands on the line after its name. */
const spread: readonly Shape[] = [
  nested,
  (secret, name) => `${name}:\n  ${secret}`,
  (secret, name) => `{\r\n          "${name}":\r\n            "${secret}",\r\n  "n": 1\r\n}`,
  (secret, _, variable) => `${variable}=\n"${secret}"`,
];
const told = fc.record({ secret: canary, name: names, variable: variables, shape: fc.constantFrom(...shapes, ...spread), around: fc.constantFrom('', 'request failed: ', 'a (', '"', '{"x":1,', 'é', '\n') });

/** The secret as it is, as an address carries it and, of one with a user, as Basic does; cut as `head` of it. */
function forms(secret: string): string[] {
  return [secret, encodeURIComponent(secret), secret.replaceAll('/', ''), Buffer.from(`me:${secret}`).toString('base64')];
}
function leaks(text: string, secret: string): boolean {
  return forms(secret).some((form) => text.includes(form) || text.includes(form.slice(0, 14)) || text.includes(form.slice(-14)));
}

describe('P11: no secret appears', () => {
  it('in a line of the log: in its message, its data, the names and values of the data, an error and its causes', () => {
    fc.assert(fc.property(told, ({ secret, name, variable, shape, around }) => {
      const text = `${around}${shape(secret, name, variable)}`;
      const lines: string[] = [];
      const log = createLogger((_level, line) => void lines.push(line)).child('connection');
      const error = new PilothouseError('http_status', 'the server refused', { cause: new Error(text) });
      log.info(text);
      log.warn('refused', { text, error: describeError(error), long: `${'x'.repeat(270)} ${text}` });
      log.error('refused', { [name]: secret, [variable]: secret });
      log.debug('refused', { error: new Error(text) });
      for (const line of lines) expect(leaks(line, secret), line).toBe(false);
      expect(lines).toHaveLength(4);
    }), { numRuns: 1_000 });
  });

  it('in what was redacted once, which redacting again leaves as it is', () => {
    fc.assert(fc.property(told, ({ secret, name, variable, shape, around }) => {
      const once = redact(`${around}${shape(secret, name, variable)}`);
      expect(leaks(once, secret), once).toBe(false);
      expect(redact(once)).toBe(once);
    }), { numRuns: 1_000 });
  });

  it('in the words of a program, wherever its pieces are cut', () => {
    fc.assert(fc.property(fc.array(told.filter(({ shape }) => shape !== nested), { minLength: 1, maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), (all, sizes) => {
      const text = all.map(({ secret, name, variable, shape }) => `${shape(secret, name, variable)}\n`).join('the next line\n');
      const stream = new RedactingStream();
      let out = '';
      for (let at = 0, turn = 0; at < text.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        out += stream.push(text.slice(at, at + size));
        at += size;
      }
      out += stream.end();
      for (const { secret } of all) expect(leaks(out, secret), out).toBe(false);
      expect(out.match(/the next line/g) ?? []).toHaveLength(all.length - 1);
    }), { numRuns: 1_000 });
  });

  it('in the values of secret variables, in whatever form a program writes them', () => {
    fc.assert(fc.property(canary, variables, (secret, variable) => {
      expect(leaks(redact(`it said <${secret}> and ${secret}`, { [variable.replace(/_BASE$/, '')]: secret, HOME: '/home/ann' }), secret)).toBe(false);
    }), { numRuns: 1_000 });
  });

  it('in an error of a request whose server tells it back', async () => {
    let body = '';
    const server = createServer((_request, response) => {
      response.statusCode = 401;
      response.end(body);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    await using client = new HttpClient({});
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
    await fc.assert(fc.asyncProperty(told, async ({ secret, name, variable, shape }) => {
      body = shape(secret, name, variable);
      const error: unknown = await client.json({ method: 'GET', url, headers: { authorization: `Bearer ${secret}` } }).then(() => null, (reason: unknown) => reason);
      expect(error).toBeInstanceOf(HttpError);
      if (error instanceof HttpError) for (const text of [describeError(error), error.excerpt, error.stack ?? '', JSON.stringify(error)]) expect(leaks(text, secret), text).toBe(false);
    }), { numRuns: 1_000 });
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  }, 60_000);
});

describe('the words of a program', () => {
  it('are told line by line, but for a line that ends in the name of a secret', () => {
    const stream = new RedactingStream();
    expect(stream.push('one\n{ "token":\n')).toBe('one\n');
    expect(stream.push('\n')).toBe('');
    expect(stream.push('  "s3cr3t", "n": 1 }\n')).toBe('{ "token":\n\n  "[redacted]", "n": 1 }\n');
    expect(stream.push('see this:\n')).toBe('see this:\n');
    expect(stream.push('Password:\n')).toBe('');
    expect(stream.end()).toBe('Password:\n');
  });

  it('are not held back for ever where no line, key or value ends', () => {
    const limit = 64 * 1024;
    const stream = new RedactingStream();
    expect(stream.push('x'.repeat(limit))).toBe('');
    expect(stream.push('x')).toBe('x'.repeat(limit + 1));
    for (const begun of ['-----BEGIN PRIVATE KEY-----\n', 'token:\n']) {
      expect(stream.push(begun)).toBe('');
      const out = stream.push('ab'.repeat(limit / 2));
      expect([out.includes('ab'), out.includes('[redacted]')]).toEqual([false, true]);
    }
  });
});

describe('what is no secret', () => {
  it.each([
    'tokens used: 12 plain words', 'inputTokens=5321 outputTokens=12', 'tokens: 1200', '{"token":null,"ok":true}', 'a session could not be read from the store error="database is locked"',
    'basic authentication required', 'Bearer token is invalid', 'https://api.example.com/v1/a@b?page=2', 'the secret is out', 'key=value pairs', 'git@github.com:ann/project.git',
    'context: 200000 tokens', 'pid=4242 label="Claude Code" code=1', 'max_token_count=8192', 'session 0b1e5c1e-0000-4000-8000-00000000c1a0 ended', 'see https://example.com/docs#token',
  ])('%s', (text) => expect(redact(text)).toBe(text));

  it('stands beside a secret as it was', () => {
    expect(redact('POST https://h/x?token=abcdef123&page=2 gave 401')).toBe('POST https://h/x?token=[redacted]&page=2 gave 401');
    expect(redact('{"apiKey":"abc","status":401}')).toBe('{"apiKey":"[redacted]","status":401}');
    expect(redact('{\\"token\\":\\"a\\\\\\"b\\",\\"n\\":1}')).toBe('{\\"token\\":\\"[redacted]\\",\\"n\\":1}');
    expect(redact('API_KEY=abcdef node x.js')).toBe('API_KEY=[redacted] node x.js');
  });

  it('costs no more than its length, whatever it is', () => {
    const began = performance.now();
    for (const unit of ['a-', 'token', 'token=', 'token="', '"token":{', 'https://a', 'eyJa.', '-----BEGIN PRIVATE KEY-----', '\\"', 'secret: [', 'cookie: ', '--token ', 'Bearer ', ' ']) redact(unit.repeat(Math.ceil(200_000 / unit.length)));
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
