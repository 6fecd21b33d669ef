// Runs plans with V8, as lucet-difftest does (worker.c): a request a line, an answer a line. Vectors cannot cross
// between JavaScript and WebAssembly: plans that pass some are not for this runner, globals that hold some are "?".
"use strict";
const fs = require("fs");
const readline = require("readline");

let trace = 0;
const scratch = new DataView(new ArrayBuffer(8));

function add(bits) {
    for (let i = 0n; i < 8n; i++) trace = Math.imul(trace ^ Number((bits >> (8n * i)) & 0xffn), 16777619) >>> 0;
}
function f32Bits(x) {
    if (x !== x) return 0x7fc00000n;
    scratch.setFloat32(0, x);
    return BigInt(scratch.getUint32(0));
}
function f64Bits(x) {
    if (x !== x) return 0x7ff8000000000000n;
    scratch.setFloat64(0, x);
    return scratch.getBigUint64(0);
}
const table = new Int32Array(256).map((_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
});
function crc32(bytes) {
    let crc = -1;
    for (const b of bytes) crc = (crc >>> 8) ^ table[(crc ^ b) & 0xff];
    return ~crc >>> 0;
}
const toBits = {
    i: (x) => BigInt(x >>> 0), I: (x) => BigInt.asUintN(64, x), f: f32Bits, F: f64Bits,
    e: (x) => BigInt(x === null ? 0 : x), r: (x) => (x === null ? 0n : 1n),
};
function write(letter, x) {
    return toBits[letter] ? letter + toBits[letter](x).toString(16) : "?";
}
function read(text) {
    const bits = BigInt("0x" + text.slice(1));
    switch (text[0]) {
    case "i": return Number(BigInt.asIntN(32, bits));
    case "I": return BigInt.asIntN(64, bits);
    case "f": scratch.setUint32(0, Number(bits)); return scratch.getFloat32(0);
    case "F": scratch.setBigUint64(0, bits); return scratch.getFloat64(0);
    case "e": return bits === 0n ? null : Number(bits);
    default: return null;
    }
}

function host(number, params, result) {
    return (...args) => {
        add(BigInt(number));
        [...params].forEach((p, i) => add(toBits[p](args[i])));
        return result();
    };
}
const none = () => undefined, i32 = () => trace | 0;
const i64 = () => BigInt.asIntN(64, (BigInt(trace) << 32n) | BigInt(trace));
const v128 = new WebAssembly.Module(fs.readFileSync(process.argv[2]));

function imports() {
    const global = (value, mutable, type) => new WebAssembly.Global({ value: type, mutable }, value);
    const halves = host(11, "II", none);
    return {
        h: {
            f0: host(0, "", none), f1: host(1, "i", i32), f2: host(2, "IF", () => (trace << 16) >> 16),
            f3: host(3, "f", () => [trace | 0, i64()]), f4: host(4, "iIfFiIfF", i64),
            f5: host(5, "ei", () => (trace & 0xff) || null), f6: host(6, "r", i32),
            mem: new WebAssembly.Memory({ initial: 1, maximum: 3 }),
            tab: new WebAssembly.Table({ initial: 8, maximum: 16, element: "anyfunc" }),
            gi: global(-7, false, "i32"), gI: global(0x123456789abcdefn, true, "i64"), gf: global(1.5, true, "f32"),
            gF: global(-0.0, false, "f64"), ge: global(9, false, "externref"),
        },
        "fuzzing-support": {
            "log-i32": host(7, "i", none), "log-i64": host(8, "I", none), "log-f32": host(9, "f", none),
            "log-f64": host(10, "F", none),
            "log-v128": new WebAssembly.Instance(v128, { h: { halves } }).exports["log-v128"],
        },
    };
}

function trapName(e) {
    if (e instanceof RangeError && /call stack/.test(e.message)) return "stack_overflow";
    if (e instanceof WebAssembly.Exception) return "exception";
    if (e instanceof WebAssembly.RuntimeError) return "trap: " + e.message;
    return "error: " + e;
}

function run(request) {
    const answer = { calls: [], state: null, start: null };
    const module = new WebAssembly.Module(fs.readFileSync(request.wasm));
    let instance = null;
    const instantiate = () => {
        trace = 2166136261;
        try {
            instance = new WebAssembly.Instance(module, imports());
            return true;
        } catch (e) {
            answer.start = trapName(e);
            return false;
        }
    };
    const state = () => {
        const memory = request.memory === null ? null : instance.exports[request.memory];
        const bytes = memory ? Buffer.from(memory.buffer) : Buffer.alloc(0);
        const globals = request.globals.map((name, i) => {
            try {
                const value = instance.exports[name].value;
                return write(request.global_types[i], value);
            } catch (e) {
                return "?";
            }
        });
        return { size: memory ? bytes.length : null, crc: bytes.length ? crc32(bytes) : 0, globals };
    };
    for (const [name, args, results] of request.calls) {
        if (!instance && !instantiate()) break;
        try {
            const value = instance.exports[name](...args.map(read));
            const values = results.length > 1 ? [...value] : results.length === 1 ? [value] : [];
            answer.calls.push({ r: values.map((x, i) => write(results[i], x)), h: trace });
        } catch (e) {
            answer.calls.push({ t: trapName(e), h: trace, s: state() });
            instance = null;
        }
    }
    if (!request.calls.length) instantiate();
    if (instance) answer.state = state();
    return answer;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    let answer;
    try {
        answer = run(JSON.parse(line));
    } catch (e) {
        answer = { refused: "v8", message: String(e) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
});
