// The JavaScript client: typed calls, patches, watches, informers, the object API. Prints what harness.sh reads.
import assert from 'node:assert';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const namespace = 'node';

async function check(name, run) {
  try {
    await run();
    console.log(`ok - ${name}`);
  } catch (error) {
    console.log(`not ok - ${name}`);
    console.log(String(error.stack).replace(/^/gm, '# '));
  }
}

// Resolves when an event for which WANTED is true has come.
function event(path, wanted, act) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no such event')), 30000);
    new k8s.Watch(config)
      .watch(path, {}, (type, object) => {
        if (wanted(type, object)) {
          clearTimeout(timer);
          resolve({ type, object });
        }
      }, () => {})
      .then(act, reject);
  });
}

await check('create', async () => {
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' }, data: { k: 'v' } } });
  assert.deepEqual(made.data, { k: 'v' });
  assert(made.metadata.creationTimestamp instanceof Date);
});

await check('replace', async () => {
  const current = await core.readNamespacedConfigMap({ namespace, name: 'a' });
  current.data.l = 'w';
  const changed = await core.replaceNamespacedConfigMap({ namespace, name: 'a', body: current });
  assert.deepEqual(changed.data, { k: 'v', l: 'w' });
});

await check('JSON patch', async () => {
  const body = [{ op: 'replace', path: '/data/k', value: 'x' }];
  const changed = await core.patchNamespacedConfigMap({ namespace, name: 'a', body });
  assert.equal(changed.data.k, 'x');
});

await check('merge, strategic and apply patches', async () => {
  for (const [strategy, value] of [[k8s.PatchStrategy.MergePatch, 'm'], [k8s.PatchStrategy.StrategicMergePatch, 's']]) {
    const changed = await core.patchNamespacedConfigMap(
      { namespace, name: 'a', body: { data: { k: value } } }, k8s.setHeaderOptions('Content-Type', strategy));
    assert.equal(changed.data.k, value);
  }
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' }, data: { k: 'v' } };
  const applied = await core.patchNamespacedConfigMap(
    { namespace, name: 'b', body, fieldManager: 'js', force: true },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.ServerSideApply));
  assert.equal(applied.data.k, 'v');
});

await check('errors', async () => {
  await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'none' }), (error) => error.code === 404);
});

await check('watch', async () => {
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const { object } = await event(path, (type, thing) => type === 'ADDED' && thing.metadata.name === 's',
    () => core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { p: 'q' } } }));
  assert.equal(object.data.p, 'cQ==');
});

await check('informer', async () => {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const informer = k8s.makeInformer(config, path, () => core.listNamespacedConfigMap({ namespace }));
  const seen = [];
  const told = (verb, name) => new Promise((resolve) => informer.on(verb, (thing) => {
    seen.push(`${verb} ${thing.metadata.name}`);
    if (thing.metadata.name === name) resolve();
  }));
  const added = told('add', 'i');
  const updated = told('update', 'i');
  const deleted = told('delete', 'i');
  await informer.start();
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'i' }, data: { k: 'v' } } });
  await added;
  await core.patchNamespacedConfigMap({ namespace, name: 'i', body: [{ op: 'add', path: '/data/l', value: 'w' }] });
  await updated;
  assert.equal(informer.get('i', namespace).data.l, 'w');
  await core.deleteNamespacedConfigMap({ namespace, name: 'i' });
  await deleted;
  await informer.stop();
  assert(seen.includes('add a'), seen.join());
});

await check('a deployment runs', async () => {
  await apps.createNamespacedDeployment({ namespace, body: {
    metadata: { name: 'd' },
    spec: { replicas: 2, selector: { matchLabels: { a: 'b' } }, template: {
      metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } } });
  await event(`/apis/apps/v1/namespaces/${namespace}/deployments`, (type, thing) => thing.status.readyReplicas === 2, () => {});
  const scaled = await apps.patchNamespacedDeploymentScale({
    namespace, name: 'd', body: [{ op: 'replace', path: '/spec/replicas', value: 1 }] });
  assert.equal(scaled.spec.replicas, 1);
});

await check('the object API', async () => {
  const thing = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'o', namespace }, data: { k: 'v' } };
  await objects.create(thing);
  const read = await objects.read(thing);
  assert.equal(read.data.k, 'v');
  await objects.patch({ ...thing, data: { k: 'w' } });
  assert.equal((await objects.read(thing)).data.k, 'w');
  const list = await objects.list('v1', 'ConfigMap', namespace);
  assert(list.items.length > 1);
  await objects.delete(thing);
});

await check('delete', async () => {
  await core.deleteNamespacedConfigMap({ namespace, name: 'a' });
  const status = await core.deleteCollectionNamespacedConfigMap({ namespace });
  assert(status);
});

console.log('done');
process.exit(0);
