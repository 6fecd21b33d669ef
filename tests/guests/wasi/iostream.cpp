// Streams, containers, strings, sorting, formatting: a C++ program as they are written.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};
struct Circle : Shape {
    explicit Circle(double r) : r(r) {}
    double area() const override { return 3.14159265358979 * r * r; }
    double r;
};
struct Square : Shape {
    explicit Square(double a) : a(a) {}
    double area() const override { return a * a; }
    double a;
};

int main(int argc, char **argv)
{
    std::map<std::string, int> counts;
    std::string word;
    while (std::cin >> word) {
        counts[word]++;
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto &a, const auto &b) { return a.second > b.second; });
    for (const auto &[w, n] : sorted) {
        std::cout << std::setw(6) << n << ' ' << w << '\n';
    }

    std::vector<Shape *> shapes = {new Circle(1), new Square(2), new Circle(0.5)};
    double sum = 0;
    for (const Shape *s : shapes) {
        sum += s->area();
        delete s;
    }
    std::cout << std::fixed << std::setprecision(6) << sum << ' ' << std::sqrt(sum) << std::endl;

    std::ostringstream text;
    text << std::hex << std::showbase << 48879 << ' ' << std::boolalpha << true;
    std::cout << text.str() << '\n';
    if (argc > 1) {
        // (This libc++ has no <fstream>.)
        char line[64] = "";
        if (FILE *f = std::fopen(argv[1], "w+")) {
            std::fputs("written by C++", f);
            std::rewind(f);
            std::fgets(line, sizeof(line), f);
            std::fclose(f);
        }
        std::cout << line << std::endl;
    }
    return static_cast<int>(counts.size());
}
