// Runs launches that were written down, in a process of its own: ThreadSanitizer must be there from a process' start.
//
// driver LIBRARY JOBS RESULTS. A job is the name of a kernel, six sizes (grid, block), blocks of memory and arguments:
// the number of a block (or -1) and a place in it (or the argument itself). The result is what is in the blocks then.

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

#include <fstream>
#include <string>
#include <vector>

typedef const char* (*Launch)(void**, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned);

static int64_t read_number(std::istream& in) {
    int64_t number = 0;
    in.read(reinterpret_cast<char*>(&number), sizeof number);
    return number;
}

static std::vector<char> read_bytes(std::istream& in) {
    std::vector<char> bytes(read_number(in));
    in.read(bytes.data(), bytes.size());
    return bytes;
}

int main(int, char** words) {
    void* library = dlopen(words[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    std::ifstream in(words[2], std::ios::binary);
    std::ofstream out(words[3], std::ios::binary);
    for (int64_t left = read_number(in); left > 0; left--) {
        std::vector<char> name = read_bytes(in);
        std::string symbol = "launch_" + std::string(name.begin(), name.end());
        unsigned sizes[6];
        for (unsigned& size : sizes) size = unsigned(read_number(in));
        std::vector<std::vector<char>> blocks(read_number(in));
        for (std::vector<char>& block : blocks) block = read_bytes(in);
        std::vector<int64_t> cells(read_number(in));
        for (int64_t& cell : cells) {
            int64_t block = read_number(in);
            cell = read_number(in);
            if (block >= 0) cell += reinterpret_cast<intptr_t>(blocks[block].data());
        }
        std::vector<void*> arguments;
        for (int64_t& cell : cells) arguments.push_back(&cell);
        Launch launch = reinterpret_cast<Launch>(dlsym(library, symbol.c_str()));
        fprintf(stderr, "launch %s\n", symbol.c_str());
        launch(arguments.data(), sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]);
        for (std::vector<char>& block : blocks) out.write(block.data(), block.size());
    }
}
