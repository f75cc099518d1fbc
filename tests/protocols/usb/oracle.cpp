// SPDX-FileCopyrightText: 2026 The Tillguard authors
// SPDX-License-Identifier: Apache-2.0
// Asks libusbguard: which rule of a set decides on a device. Lines: X empties the set, "R rule" adds a rule,
// "D device rule" asks; the answer is "target|label of the rule", the label being empty for the implicit target.
// Built and used by the tests only; it is no part of any package.

#include <iostream>
#include <memory>
#include <string>
#include <usbguard/Logger.hpp>
#include <usbguard/MemoryRuleSet.hpp>
#include <usbguard/Rule.hpp>

using namespace usbguard;

int main()
{
  USBGUARD_LOGGER.setEnabled(false);
  std::unique_ptr<MemoryRuleSet> rules;
  std::string line;
  while (std::getline(std::cin, line)) {
    try {
      if (line == "X") {
        rules = std::make_unique<MemoryRuleSet>(nullptr);
        rules->setDefaultTarget(Rule::Target::Block);
      } else if (line[0] == 'R') {
        rules->appendRule(Rule::fromString(line.substr(2)));
      } else {
        const auto device = std::make_shared<const Rule>(Rule::fromString(line.substr(2)));
        const auto found = rules->getFirstMatchingRule(device);
        const auto& label = found->attributeLabel();
        std::cout << Rule::targetToString(found->getTarget()) << '|' << (label.empty() ? "" : label.get()) << '\n';
      }
    } catch (const std::exception& fault) {
      std::cout << '!' << fault.what() << '\n';
    }
  }
}
