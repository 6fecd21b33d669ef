// A program that throws and catches in every way the language has. Says what it does, line by line.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{
struct Noisy {
    std::string name;
    explicit Noisy(std::string n) : name(std::move(n)) {}
    ~Noisy() { std::printf("  ~%s\n", name.c_str()); }
};

struct Base {
    virtual ~Base() = default;
    virtual const char *what() const { return "base"; }
};
struct Left : virtual Base {
    int left = 1;
};
struct Right : virtual Base {
    int right = 2;
};
struct Both : Left, Right {
    const char *what() const override { return "both"; }
};

void by_kind(int kind)
{
    Noisy local("local " + std::to_string(kind));
    switch (kind) {
    case 1: throw 42;
    case 2: throw 2.5;
    case 3: throw "text";
    case 4: throw std::runtime_error("runtime");
    case 5: throw std::out_of_range("range");
    case 6: throw Both();
    case 7: throw std::string("a string that is too long for the short form of strings");
    case 8: throw static_cast<Both *>(nullptr);
    default: std::puts("  nothing thrown");
    }
}

void catch_by_kind(int kind)
{
    try {
        by_kind(kind);
    } catch (int n) {
        std::printf("  int %d\n", n);
    } catch (double d) {
        std::printf("  double %g\n", d);
    } catch (const char *s) {
        std::printf("  char pointer %s\n", s);
    } catch (const std::out_of_range &e) {
        std::printf("  out_of_range %s\n", e.what());
    } catch (const std::exception &e) {
        std::printf("  exception %s\n", e.what());
    } catch (const Right &r) {
        std::printf("  Right %s %d\n", r.what(), r.right);
    } catch (Base *b) {
        std::printf("  pointer to Base %d\n", b == nullptr);
    } catch (...) {
        std::puts("  something else");
    }
}

void again(int depth)
{
    Noisy n("again " + std::to_string(depth));
    try {
        if (depth == 0)
            throw std::logic_error("bottom");
        again(depth - 1);
    } catch (std::logic_error &e) {
        std::printf("  %d: %s\n", depth, e.what());
        if (depth == 2)
            throw std::runtime_error(std::string(e.what()) + " and top");
        throw;
    }
}

struct Member {
    Noisy one, two;
    explicit Member(bool fail) try : one("one"), two(fail ? throw 7 : "two") {
        std::puts("  made");
    } catch (int n) {
        std::printf("  constructor %d\n", n);
    }
};

int fact(int n)
{
    if (n < 0)
        throw std::invalid_argument("negative");
    return n < 2 ? 1 : n * fact(n - 1);
}

long long many(int n)
{
    long long sum = 0;
    for (int i = 0; i < n; i++)
        try {
            std::unique_ptr<long long> p(new long long(i));
            if (i % 3 == 0)
                throw *p;
            sum += *p;
        } catch (long long value) {
            sum -= value;
        }
    return sum;
}
} // namespace

int main(int argc, char **)
{
    for (int kind = 0; kind <= 8; kind++) {
        std::printf("kind %d\n", kind);
        catch_by_kind(kind);
    }
    std::puts("again");
    try {
        again(3);
    } catch (const std::exception &e) {
        std::printf("  main: %s\n", e.what());
    }
    for (bool fail : {false, true}) {
        std::puts("member");
        try {
            Member m(fail);
        } catch (int n) {
            std::printf("  main: %d\n", n);
        }
    }
    std::puts("indirect");
    std::vector<std::function<int(int)>> functions = {fact, [](int n) { return -n; }};
    for (auto &f : functions)
        for (int n : {5, -1})
            try {
                std::printf("  %d\n", f(n));
            } catch (const std::invalid_argument &e) {
                std::printf("  %s\n", e.what());
            }
    std::puts("nested");
    try {
        try {
            throw 1;
        } catch (int) {
            try {
                throw 2;
            } catch (int n) {
                std::printf("  inner %d\n", n);
            }
            throw;
        }
    } catch (int n) {
        std::printf("  outer %d\n", n);
    }
    std::printf("many %lld\n", many(1000000));
    std::fflush(stdout);
    if (argc > 1)
        throw std::runtime_error("nobody catches this");
    return 0;
}
