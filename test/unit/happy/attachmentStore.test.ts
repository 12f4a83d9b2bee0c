import { describe, expect, it } from 'vitest';
import { MockAgent } from 'undici';
import { HappyHttp } from '../../../src/core/systems/happy/http.ts';
import { HttpClient } from '../../../src/core/transport/http.ts';

/** A server that names `url` for every attachment, and a store there that answers with `status`. */
async function asking(serverUrl: string, url: string, status: number, work: (api: HappyHttp, asked: () => number) => Promise<void>): Promise<void> {
  const agent = new MockAgent();
  agent.disableNetConnect();
  const json = { headers: { 'content-type': 'application/json' } };
  const own = agent.get(serverUrl);
  own.intercept({ method: 'POST', path: '/v1/sessions/s/attachments/request-download' }).reply(200, { downloadUrl: url }, json).persist();
  own.intercept({ method: 'POST', path: '/v1/sessions/s/attachments/request-upload' }).reply(200, { ref: 'r', uploadUrl: url, method: 'PUT' }, json).persist();
  let asked = 0;
  const store = agent.get(new URL(url).origin);
  for (const method of ['GET', 'PUT']) {
    store.intercept({ method, path: '/x' }).reply(() => {
      asked += 1;
      return { statusCode: status, data: 'said' };
    }).persist();
  }
  try {
    await using http = new HttpClient({ dispatcher: agent, allowPlainHttp: true });
    await work(new HappyHttp(http, { serverUrl, token: 'x' }, 'test/1', { baseMs: 1, capMs: 2 }), () => asked);
  } finally {
    await agent.close();
  }
}

describe('the store of attachments', () => {
  it.each([401, 403, 404, 429, 500])('that answers with %s says nothing about the account', async (status) => {
    await asking('https://happy.example.org', 'https://store.example.net/x', status, async (api) => {
      const down: unknown = await api.download('s', 'r').catch((error: unknown) => error);
      expect(down).toMatchObject({ code: 'download_failed', message: expect.stringContaining(String(status)) as string });
      await expect(api.upload('s', 'f', new Uint8Array(4))).rejects.toMatchObject({ code: 'upload_failed' });
    });
  });

  it.each([
    'http://127.0.0.1:9/x', 'https://127.0.0.1:9/x', 'https://localhost/x', 'http://[::1]/x', 'https://0.0.0.0/x', 'https://[::ffff:127.0.0.1]/x', 'https://0x7f000001/x', 'http://store.example.net/x', 'https://a:b@store.example.net/x',
  ])('is not asked at %s by a server elsewhere', async (url) => {
    await asking('https://happy.example.org', url, 200, async (api, asked) => {
      await expect(api.download('s', 'r')).rejects.toMatchObject({ code: 'download_failed' });
      await expect(api.upload('s', 'f', new Uint8Array(4))).rejects.toMatchObject({ code: 'upload_failed' });
      expect(asked()).toBe(0);
    });
  });

  it.each([['https://happy.example.org', 'https://store.example.net/x'], ['http://127.0.0.1:3005', 'http://localhost:9000/x'], ['http://lab.example:3005', 'http://lab.example:9000/x']])('of %s is asked at %s', async (serverUrl, url) => {
    await asking(serverUrl, url, 200, async (api) => {
      expect(Buffer.from(await api.download('s', 'r')).toString()).toBe('said');
    });
  });
});
