// What `make sanitize` shows its thread sanitizer first: with "race", threads that write one place; with "sound", the
// ways in which the core's threads share work, all in order. Exit code 0 unless the sanitizer sets its own.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vector>

namespace {

int64_t racing(const std::vector<int64_t>& value) {
    int64_t total = 0;
#pragma omp parallel for num_threads(3) schedule(static)
    for (size_t i = 0; i < value.size(); ++i) total += value[i];
    return total;
}

int64_t sound(const std::vector<int64_t>& value) {
    std::vector<int64_t> square(value.size());
    int64_t total = 0, failed = 0;
#pragma omp parallel num_threads(3)
    {
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < value.size(); ++i) square[i] = value[i] * value[i];
#pragma omp for schedule(static) reduction(+ : total)
        for (size_t i = 0; i < value.size(); ++i) {
            total += square[value.size() - 1 - i];
#pragma omp atomic write
            failed = 0;
        }
    }
    return total + failed;
}

}  // namespace

int main(int argc, char** argv) {
    const bool race = argc == 2 && strcmp(argv[1], "race") == 0;
    const std::vector<int64_t> value(1000, 1);
    printf("%lld\n", (long long)(race ? racing(value) : sound(value)));
    return 0;
}
