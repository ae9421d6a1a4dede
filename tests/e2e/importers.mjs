// How other tools read the trace, for compat-tools.sh.
//
//   node importers.mjs hotspot FILE       what hotspot-perfparser made of it: samples and names
//   node importers.mjs speedscope LIB TXT what speedscope's importer makes of perf script's output
import fs from 'fs';
import vm from 'vm';

// The stream is a magic, a version, and messages, each with its size before it; the first byte is
// the kind, and of a sample what follows is: pid, tid, time, cpu, the number of frames, the frames.
function hotspot(file) {
	const tracepointSample = 14;
	const bytes = fs.readFileSync(file);
	if (bytes.toString('latin1', 0, 11) !== 'QPERFSTREAM')
		throw new Error('not a stream of perfparser');
	let samples = 0, deep = 0;
	for (let at = 16; at + 4 <= bytes.length;) {
		const size = bytes.readUInt32LE(at);
		const message = bytes.subarray(at + 4, at + 4 + size);
		at += 4 + size;
		if (message[0] !== tracepointSample)
			continue;
		samples++;
		if (message.readUInt32BE(21) >= 3)
			deep++;
	}
	console.log(`samples ${samples}`);
	console.log(`stacks ${deep}`);
}

// The package has its importer inside the page's own script. That runs up to where it wants a
// browser; the function that the page calls with a dropped file is kept before that.
async function speedscope(library, file) {
	let script = fs.readFileSync(library, 'utf8');
	const importer = /await (\w+)\(\w+,await \w+\.arrayBuffer\(\)\)/.exec(script);
	if (!importer || !script.includes('(()=>{'))
		throw new Error('the importer was not found');
	script = script.replace('(()=>{', `(()=>{globalThis.load=(...a)=>${importer[1]}(...a);`);
	const nothing = new Proxy(function () {}, {
		get: (target, key) => key === Symbol.toPrimitive ? () => '' :
			key === 'then' ? undefined : nothing,
		apply: () => nothing,
		construct: () => nothing,
		set: () => true,
	});
	const silent = {log() {}, error() {}, warn() {}};
	const page = {console: silent, TextDecoder, TextEncoder, Uint8Array, ArrayBuffer, URL,
		setTimeout, performance, requestAnimationFrame() {}};
	for (const name of ['window', 'document', 'navigator', 'location', 'self', 'HTMLElement'])
		page[name] = nothing;
	page.globalThis = page;
	vm.createContext(page);
	try {
		vm.runInContext(script, page);
	} catch {
		// Here it wanted a browser.
	}
	const bytes = fs.readFileSync(file);
	const group = await page.load('trace.linux-perf.txt',
		bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
	const names = new Set();
	for (const profile of group.profiles)
		profile.forEachFrame(frame => names.add(frame.name));
	for (const name of names)
		console.log(`frame ${name}`);
}

const [what, ...rest] = process.argv.slice(2);
await {hotspot, speedscope}[what](...rest);
